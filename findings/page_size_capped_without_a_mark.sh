#!/usr/bin/env bash
# 250 products in a Django REST framework API with `max_page_size = 100`, requested in pages of 1000. Needs Python 3; installs
# Django 5.2 and Django REST framework 3.16.0 in a temporary folder. Observed on 2026-11-30.
#
# Expected: a page size above the maximum is an error, or the response states the size that was used.
# Observed: status 200 with 100 products and no mark of the size; `next` still says `page_size=1000`. `count` is 250. Behind the last
#   page the response is 404, "Invalid page.", and not an empty page.
#
# Why it matters: a reader that takes a page with fewer records than it asked for as the last one ends here after the first page, with
# 100 of 250 products, and without an error; a full report then sells out the other 150. And a reader that asks for pages until one is
# empty fails on each list whose length is a multiple of the page size. Both are right only with `next` or `count`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet django==5.2 djangorestframework==3.16.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__",
    REST_FRAMEWORK={
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
)
django.setup()

import rest_framework
from rest_framework.pagination import PageNumberPagination
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

urlpatterns = []
items = [{"sku": f"P{number}", "qty": number} for number in range(250)]

class Pages(PageNumberPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 100

class Stock(APIView):
    def get(self, request):
        pages = Pages()
        page = pages.paginate_queryset(items, request, view=self)
        return pages.get_paginated_response(page)

print("Django", django.get_version(), "Django REST framework", rest_framework.VERSION)
changed = []
for query, expected in [
    ("page_size=1000", (200, 250, 100, "http://testserver/stock?page=2&page_size=1000")),
    ("page=3&page_size=1000", (200, 250, 50, None)),
    ("page=4&page_size=1000", (404, None, None, None)),
]:
    response = Stock.as_view()(APIRequestFactory().get(f"/stock?{query}"))
    data = response.data
    results = data.get("results")
    seen = (response.status_code, data.get("count"), results and len(results), data.get("next"))
    print(f"{query}: status {seen[0]}, count {seen[1]}, {seen[2]} results, next {seen[3]}")
    if seen != expected:
        changed.append(f"{query}: {seen}, not {expected}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
PYTHON
