"""What OpenAPI cannot say of this API.

Whether a request is acceptable may hang on what came before it. To leave a check out for that would leave it out for everything else
too; so requests are made to fit, or failures that are none are told apart by what was sent and answered.
"""

import uuid

import schemathesis

INVALID_DATA_WAS_TAKEN = "ST201"
VALID_DATA_WAS_REFUSED = "ST202"
LONGEST_KEY = 255


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes a valid request fit to what came before it."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    headers = case.headers
    if "Idempotency-Key" in headers:
        # Short keys come again and again, and would stand for an order that was placed before.
        headers["Idempotency-Key"] = f"{headers['Idempotency-Key']}{uuid.uuid4().hex}"[-LONGEST_KEY:]
    if "If-Match" in headers:
        # No generator guesses the version that an order is in.
        headers["If-Match"] = "*"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a failure counts."""
    if failure.code == VALID_DATA_WAS_REFUSED:
        return not (
            is_made_up_cursor(case, response)
            or is_written_with_a_fraction(case, response)
            or is_not_canonical(response)
            or is_for_another_vendor(response)
        )
    if failure.code == INVALID_DATA_WAS_TAKEN:
        return not is_refused_in_its_place(response)
    return True


def is_made_up_cursor(case, response):
    """A cursor that no page has given. An answer to HEAD has no body; what GET is refused for, HEAD is refused for too."""
    if response.status_code != 400 or "cursor" not in (case.query or {}):
        return False
    return case.method == "HEAD" or "was not issued for this list" in response.json()["detail"]


def is_written_with_a_fraction(case, response):
    """To JSON Schema 3.0 is an integer; a quantity that is written like that is refused, as it may have been 3.5 somewhere."""
    return response.status_code == 422 and has_float(case.body)


def is_not_canonical(response):
    """JSON Schema cannot say that a text is in Unicode NFC, and a pattern for the rest of the rule would be another contract."""
    if response.status_code != 422:
        return False
    reasons = ("white space", "invisible character", "normalization form")
    details = [error["detail"] for error in response.json().get("errors", [])]
    return bool(details) and all(any(reason in detail for reason in reasons) for detail in details)


def is_for_another_vendor(response):
    """Whether a vendor can be named depends on the status and on the vendors that supply the order."""
    if response.status_code != 422:
        return False
    errors = response.json().get("errors", [])
    return bool(errors) and all(error["pointer"] == "/vendor_id" for error in errors)


def has_float(value):
    if isinstance(value, dict):
        return any(has_float(member) for member in value.values())
    if isinstance(value, list):
        return any(has_float(item) for item in value)
    return isinstance(value, float)


def is_refused_in_its_place(response):
    """What is wrong with one item of a batch is told in the item's place, and is no failure of the batch."""
    if response.status_code != 207:
        return False
    return any(item["status"] == 422 for item in response.json()["items"])
