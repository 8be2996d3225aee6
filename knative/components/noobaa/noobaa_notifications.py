"""Asks NooBaa to notify ingest of each new image; the Secret that TOPIC names says where ingest is."""

from __future__ import annotations

from cosmoformer import logs, settings
from cosmoformer.storage.store import connect

TOPIC = "cosmoformer-notify/connect.json"  # <Secret>/<key>, as the NooBaa object lists it


def main() -> None:
    """Set the images bucket's notifications; done twice it changes nothing."""
    known = settings.load()
    logs.configure(known.log_level)
    rule = {
        "Id": "cosmoformer-images",
        "TopicArn": TOPIC,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": known.images_prefix}]}},
    }
    connect(known).put_bucket_notification_configuration(
        Bucket=known.images_bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )
    print(f"{known.images_bucket}: new objects under {known.images_prefix!r} are announced to {TOPIC}")


if __name__ == "__main__":
    main()
