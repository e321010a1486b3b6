#!/usr/bin/env bash
# A stock list in cursor pages of Django REST framework (CursorPagination), ordered by the time of the last count. Needs Python 3
# and PostgreSQL at 127.0.0.1:5432 with the user postgres (or PGUSER); installs Django 5.2.19, Django REST framework 3.18.3 and
# psycopg 3.3.9 in a temporary folder. Observed on 2026-11-30 with SQLite 3.40.1 and PostgreSQL 15.20.
#
# Expected: a cursor names a row, so each product is listed once whatever the values of the ordering column are, and the last page
#   has no `next`.
# Observed: a cursor is a value and a number of rows to skip behind it.
#   1. The number is at most 1000. With pages of 100, up to 1,100 products of one time are listed and the list ends. From 1,101 on,
#      page 12 has the products of page 11, and its `next` is the address of page 12: the list has no end.
#   2. A product that was never counted (NULL) is listed in an ascending order on SQLite and in a descending order on PostgreSQL,
#      where NULL comes first. In the other two cases all 30 of 250 are missing: the last page is shorter, its `next` is null
#      and the status is 200.
#   3. Where NULL comes first and a page ends with the last of them (100 here), its `next` has the position "None", and the request
#      for it fails with a ValidationError, a status 500.
#
# Why it matters: a nightly UPDATE gives all products the same time, so a shop with more than a thousand products has a list that never
# ends, and a reader adds the same quantities for ever or, if it removes duplicates, sells out the others. Products without a count
# are taken for sold out although they are in stock. Order by a unique column, and refuse a `next` that was there before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet Django==5.2.19 djangorestframework==3.18.3 "psycopg[binary]==3.3.9"
SCHEMA="finding_$$" PGUSER="${PGUSER:-postgres}" venv/bin/python - <<'PYTHON'
import datetime, os, sqlite3, sys
import django
from django.conf import settings

schema = os.environ["SCHEMA"]
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="finding", USE_TZ=True,
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "postgresql": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": os.environ["PGUSER"],
                       "HOST": "127.0.0.1", "OPTIONS": {"options": f"-c search_path={schema}"}},
    },
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
)
django.setup()
from django.core.exceptions import ValidationError
from django.db import connections, models
from django.test import Client
from django.urls import path
from rest_framework import VERSION, generics, pagination, serializers

class Product(models.Model):
    sku = models.CharField(primary_key=True, max_length=20)
    quantity = models.IntegerField(default=7)
    counted = models.DateTimeField(null=True)
    class Meta:
        app_label = "shop"

class ProductSerializer(serializers.ModelSerializer):
    class Meta:
        model = Product
        fields = ["sku", "quantity"]

def view(database, order):
    paging = type("Paging", (pagination.CursorPagination,), {"ordering": order, "page_size": 100})
    return type("View", (generics.ListAPIView,), {
        "pagination_class": paging, "queryset": Product.objects.using(database), "serializer_class": ProductSerializer}).as_view()

names = {"default": "SQLite", "postgresql": "PostgreSQL"}
orders = {"ascending": "counted", "descending": "-counted"}
urlpatterns = [path(f"{database}/{name}", view(database, order)) for database in names for name, order in orders.items()]
print("Django", django.__version__, "Django REST framework", VERSION, "SQLite", sqlite3.sqlite_version)
changed = []
def expect(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        changed.append(f"{what}: {seen}, not {expected}")

def fill(database, products, uncounted=0, step=0):
    """Products that were not counted, then products whose times are `step` seconds apart."""
    start = datetime.datetime(2026, 11, 30, 2, tzinfo=datetime.timezone.utc)
    Product.objects.using(database).all().delete()
    Product.objects.using(database).bulk_create(
        Product(sku=f"P-{number:05d}", counted=start + number * datetime.timedelta(seconds=step) if number >= uncounted else None)
        for number in range(products))

def walk(address):
    """The number of pages and how they end, and the products in them."""
    client, skus, seen = Client(), [], set()
    while address:
        if address in seen:
            return len(seen), "repeats its next", skus
        seen.add(address)
        try:
            page = client.get(address).json()
        except ValidationError:
            return len(seen) - 1, "fails", skus
        skus += [product["sku"] for product in page["results"]]
        address = page["next"]
    return len(seen), "ends", skus

try:
    connections["postgresql"].cursor().execute(f"CREATE SCHEMA {schema}")
    for database, name in names.items():
        with connections[database].schema_editor() as editor:
            editor.create_model(Product)
        for order in orders:
            address = f"/{database}/{order}"
            for products, end in ((1100, (11, "ends", 1100)), (1101, (12, "repeats its next", 1200)),
                                  (2500, (12, "repeats its next", 1200))):
                fill(database, products)
                pages, state, skus = walk(address)
                expect(f"{name}, {order}, {products} of one time: pages, state, records", (pages, state, len(skus)), end)
            is_first = (name == "SQLite") == (order == "ascending")
            fill(database, 250, uncounted=30, step=1)
            pages, state, skus = walk(address)
            expect(f"{name}, {order}, 30 of 250 not counted: pages, state, products", (pages, state, len(set(skus))),
                   (3, "ends", 250 if is_first else 220))
            if is_first:
                fill(database, 250, uncounted=100, step=1)
                expect(f"{name}, {order}, 100 of 250 not counted: pages, state", walk(address)[:2], (1, "fails"))
finally:
    connections["postgresql"].cursor().execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
