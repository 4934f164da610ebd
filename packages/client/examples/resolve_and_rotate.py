"""A client of session-identity in Python, from the protos alone.

    python3 -m grpc_tools.protoc -I proto --python_out=OUT --grpc_python_out=OUT $(find proto -name '*.proto')
    PYTHONPATH=OUT python3 packages/client/examples/resolve_and_rotate.py demo:python

Debian: python3-grpcio, python3-grpc-tools. It resolves a name and rotates it, and shows what a run is
told that holds the key meanwhile. Beginning a run is the runner's business: the second credential
is here to show the refusal.
"""

import base64
import hashlib
import hmac
import os
import sys
import uuid

import grpc
from google.protobuf import duration_pb2, timestamp_pb2
from google.rpc import error_details_pb2, status_pb2
from lanekeeper.identity.v1 import (
    identity_service_pb2,
    identity_service_pb2_grpc,
    lifecycle_pb2,
    session_pb2,
)

TIMEOUT_S = 10


def metadata(service, cluster_secret):
    """What a service shows on each call, and for whom it acts."""
    mac = hmac.new(cluster_secret.encode(), f"lanekeeper service {service}".encode(), hashlib.sha256)
    token = base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
    return [
        ("authorization", f"Bearer lks1.{service}.{token}"),
        ("lanekeeper-tenant", "default"),
        ("lanekeeper-principal", "python-example"),
    ]


def details(error):
    """The typed details of a refusal: ErrorInfo, and StaleFence where the fence was lost."""
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, stale = error_details_pb2.ErrorInfo(), session_pb2.StaleFence()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(stale)
    return info, stale


def begin(ref):
    now = timestamp_pb2.Timestamp()
    now.GetCurrentTime()
    return lifecycle_pb2.BeginRunRequest(
        session_key=ref.session_key,
        admitted_generation=ref.generation,
        turn_id=str(uuid.uuid4()),
        run_id=uuid7(now),
        lease_duration=duration_pb2.Duration(seconds=15),
        accept_time=now,
        turn_class=lifecycle_pb2.TURN_CLASS_PERSON,
    )


def uuid7(now):
    """RFC 9562: 48 bits of milliseconds, then random."""
    value = (now.ToMilliseconds() << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (7 << 76)
    return str(uuid.UUID(int=value & ~(0b11 << 62) | (0b10 << 62)))


def main(raw_key):
    target = os.environ.get("LANEKEEPER_IDENTITY_TARGET", "127.0.0.1:7101")
    secret = os.environ["LANEKEEPER_CLUSTER_SECRET"]
    channel = grpc.insecure_channel(target, [("grpc.lb_policy_name", "round_robin")])
    identity = identity_service_pb2_grpc.SessionIdentityServiceStub(channel)
    as_cli = {"metadata": metadata("cli", secret), "timeout": TIMEOUT_S}
    as_runner = {"metadata": metadata("runner", secret), "timeout": TIMEOUT_S}

    name = identity_service_pb2.ResolveSessionRequest(raw_key=raw_key)
    ref = identity.ResolveSession(name, **as_cli).session.ref
    print(f"resolved {ref.session_key} generation {ref.generation}")

    fence = identity.BeginRun(begin(ref), **as_runner).fence
    print(f"run epoch {fence.run_epoch}")

    rotation = identity.RotateSession(
        identity_service_pb2.RotateSessionRequest(
            request_id=str(uuid.uuid4()),
            session_key=ref.session_key,
            reason=session_pb2.ROTATION_REASON_RESET,
            expected_generation=ref.generation,
        ),
        **as_cli,
    ).rotation
    print(f"rotated to generation {rotation.current.generation}")

    event = lifecycle_pb2.WriteLifecycleRequest(
        run=fence, event_seq=1, progress=lifecycle_pb2.RunProgress(phase="model")
    )
    try:
        identity.WriteLifecycle(event, **as_runner)
    except grpc.RpcError as error:
        info, stale = details(error)
        current = stale.current.session.generation
        print(f"refused {error.code().name} {info.reason}: generation {current} is current")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "demo:python")
