"""Stand-in for Terraform's providers with what google 7.45 adds to the schemas of google 6.50.

They are as in the provider's source, `resource_cloud_run_v2_service.go` and `iam_iap_web_cloud_run_service.go`.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

IAP_ENABLED = {"type": "bool", "optional": True}
CONDITION = {
    "nesting_mode": "list",
    "max_items": 1,
    "block": {
        "attributes": {
            "title": {"type": "string", "required": True},
            "expression": {"type": "string", "required": True},
            "description": {"type": "string", "optional": True},
        }
    },
}
MEMBER = {
    "block": {
        "attributes": {
            "cloud_run_service_name": {"type": "string", "required": True},
            "location": {"type": "string", "optional": True, "computed": True},
            "project": {"type": "string", "optional": True, "computed": True},
            "role": {"type": "string", "required": True},
            "member": {"type": "string", "required": True},
            "etag": {"type": "string", "computed": True},
            "id": {"type": "string", "optional": True, "computed": True},
        },
        "block_types": {"condition": CONDITION},
    },
    "version": 0,
}


def newer_wrapper(folder: Path) -> str | None:
    """Return a TERRAFORM_WRAPPER with the additions, in ``folder``; None if the present one has no schema.json."""
    wrapper = Path(os.environ.get("TERRAFORM_WRAPPER", ""))
    if not (wrapper.parent / "schema.json").is_file():
        return None
    copy = folder / "stub"
    shutil.copytree(wrapper.parent, copy)
    copy.chmod(0o755)
    path = copy / "schema.json"
    document: dict[str, Any] = json.loads(path.read_text())
    resources = document["provider_schemas"]["hashicorp/google"]["resource_schemas"]
    resources["google_cloud_run_v2_service"]["block"]["attributes"]["iap_enabled"] = IAP_ENABLED
    resources["google_iap_web_cloud_run_service_iam_member"] = MEMBER
    path.chmod(0o644)
    path.write_text(json.dumps(document))
    return str(copy / wrapper.name)
