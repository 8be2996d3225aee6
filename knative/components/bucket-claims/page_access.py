"""Lets pages of PAGE_ORIGINS use the images bucket and the results bucket by presigned URL."""

from __future__ import annotations

from cosmoformer import logs, settings
from cosmoformer.storage.cors import bucket_cors
from cosmoformer.storage.store import connect


def main() -> None:
    """Set the buckets' CORS rules; done twice it changes nothing."""
    known = settings.load()
    logs.configure(known.log_level)
    for bucket in sorted({known.images_bucket, known.results_bucket}):
        connect(known).put_bucket_cors(Bucket=bucket, CORSConfiguration=bucket_cors(known.page_origins))
        print(f"{bucket}: {', '.join(known.page_origins)}")


if __name__ == "__main__":
    main()
