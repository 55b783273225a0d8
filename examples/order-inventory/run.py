"""The whole story against a running server: deploy, place orders, watch, check; once in Node.js, once in Python."""

import argparse
import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from deploy import RUNTIMES, deploy
from place_orders import Wrong, tell_the_story


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint-url", help="the server (default: AWS_ENDPOINT_URL, as for every AWS client)")
    parser.add_argument(
        "--runtime", choices=[*RUNTIMES, "both"], default="both", help="what the function is written in"
    )
    arguments = parser.parse_args()
    if arguments.endpoint_url:
        os.environ["AWS_ENDPOINT_URL"] = arguments.endpoint_url
    session = boto3.session.Session()
    try:
        for runtime in RUNTIMES if arguments.runtime == "both" else [arguments.runtime]:
            print(f"\n=== Inventory in {runtime}\n")
            deployed = deploy(session, runtime)
            print()
            tell_the_story(session, deployed, runtime)
    except (Wrong, TimeoutError, ClientError, BotoCoreError) as error:
        print(f"\norder-inventory: {error}", file=sys.stderr)
        return 1
    print("\nEvery order ended as it should.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
