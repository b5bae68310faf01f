"""The script in the head of the waiting page, which joins before all other scripts are there.

It is the one script that stands inside a page. The page's policy names its hash, so a browser runs
this text there and no other.
"""

from base64 import b64encode
from hashlib import sha256

from inventory.kit.bundle import bundle_of
from inventory.kit.pages import CSP, static_folder

EARLY_SCRIPT = bundle_of(static_folder() / "js" / "waiting-early.js").text
_HASH = b64encode(sha256(EARLY_SCRIPT.encode()).digest()).decode()
EARLY_CSP = CSP.replace("script-src 'self'", f"script-src 'self' 'sha256-{_HASH}'")
