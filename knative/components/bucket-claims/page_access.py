"""Lets pages of PAGE_ORIGINS use the images bucket and the results bucket by presigned URL.

Where UPLOAD_PRINCIPAL or VIEW_PRINCIPAL is set, a policy holds these accounts to what such URLs need. It replaces any other.
"""

from __future__ import annotations

from cosmoformer import logs, settings
from cosmoformer.storage.cors import bucket_cors
from cosmoformer.storage.policies import bucket_policy
from cosmoformer.storage.store import connect


def main() -> None:
    """Set the buckets' CORS rules and policies; done twice it changes nothing."""
    known = settings.load()
    logs.configure(known.log_level)
    client = connect(known)
    for bucket in sorted({known.images_bucket, known.results_bucket}):
        client.put_bucket_cors(Bucket=bucket, CORSConfiguration=bucket_cors(known.page_origins))
        print(f"{bucket}: {', '.join(known.page_origins)}")
        if policy := bucket_policy(known, bucket):
            client.put_bucket_policy(Bucket=bucket, Policy=policy)
            print(f"{bucket}: policy for {known.upload_principal or 'nobody'} and {known.view_principal or 'nobody'}")


if __name__ == "__main__":
    main()
