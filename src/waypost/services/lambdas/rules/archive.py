"""Deployment packages."""

import zipfile
from io import BytesIO

from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX

NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


def check(content: bytes) -> int:
    """How many bytes a zip unpacks to. Raises AWS's error where Lambda would not take it as a deployment package."""
    if len(content) >= ZIP_BYTES_MAX:
        raise errors.too_large(f"Zipped size must be smaller than {ZIP_BYTES_MAX} bytes")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        raise errors.invalid(NOT_A_ZIP) from None
    if not members:
        raise errors.invalid("Uploaded file must be a non-empty zip")
    if any(_leaves(member.filename) or member.flag_bits & 1 for member in members):
        raise errors.invalid(NOT_A_ZIP)
    unzipped = sum(member.file_size for member in members)
    if unzipped >= UNZIPPED_BYTES_MAX:
        raise errors.invalid(f"Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes")
    return unzipped


def _leaves(name: str) -> bool:
    """Whether a member would land outside the folder it is unpacked into."""
    return name.startswith("/") or ".." in name.split("/")
