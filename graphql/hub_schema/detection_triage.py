"""Mutations of detections: acknowledged, resolved, and opened again."""

from typing import Annotated

import strawberry

from hub.detections.commands import (
    Triage,
    acknowledge_detection,
    reopen_detection,
    resolve_detection,
)
from hub.detections.queries import detection_by_name
from hub.detections.triage import MAX_NOTE_CHARACTERS
from hub.principal import Permission
from hub_schema.context import Context, Info
from hub_schema.detection_types import DetectionType
from hub_schema.directives import EgressClass, guarded_mutation, leaf, part

_ID = "Its number, as DEV-2026-0441, or its id."
_NOTE = f"What was found or decided, at most {MAX_NOTE_CHARACTERS} characters."


@strawberry.input(description="Which detection to close, and why.")
class AcknowledgeDetectionInput:
    """Arguments of acknowledgeDetection."""

    id: str = strawberry.field(description=_ID)
    note: str | None = strawberry.field(description=_NOTE, default=None)


@strawberry.input(description="Which detection to open again, and why.")
class ReopenDetectionInput:
    """Arguments of reopenDetection."""

    id: str = strawberry.field(description=_ID)
    note: str | None = strawberry.field(description=_NOTE, default=None)


@strawberry.input(description="Which detection is dealt with, and how.")
class ResolveDetectionInput:
    """Arguments of resolveDetection."""

    id: str = strawberry.field(description=_ID)
    note: str | None = strawberry.field(description=_NOTE, default=None)


@strawberry.type(description="The detection after it was acknowledged.")
class AcknowledgeDetectionPayload:
    """Answer of acknowledgeDetection."""

    detection: DetectionType = part("The detection as it is now.")
    has_changed: bool = leaf(
        EgressClass.DETECTION_METADATA,
        "False when it was acknowledged before; that acknowledgement stays.",
    )


@strawberry.type(description="The detection after it was opened again.")
class ReopenDetectionPayload:
    """Answer of reopenDetection."""

    detection: DetectionType = part("The detection as it is now.")
    has_changed: bool = leaf(EgressClass.DETECTION_METADATA, "False when it was open already.")


@strawberry.type(description="The detection after it was resolved.")
class ResolveDetectionPayload:
    """Answer of resolveDetection."""

    detection: DetectionType = part("The detection as it is now.")
    has_changed: bool = leaf(EgressClass.DETECTION_METADATA, "False when it was resolved before.")


@strawberry.type(name="Mutation")
class DetectionMutation:
    """Detection fields of the mutation root."""

    @guarded_mutation(
        Permission.DETECTIONS_ACKNOWLEDGE,
        "Close a detection after investigation. Logged; a person can open it again.",
    )
    async def acknowledge_detection(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            AcknowledgeDetectionInput, strawberry.argument(description="Which, and why.")
        ],
    ) -> AcknowledgeDetectionPayload:
        """Delegate, and show the detection afterwards."""
        context = info.context
        triage = await context.work.run(
            acknowledge_detection,
            principal=context.principal,
            number=input.id,
            note=input.note,
            now=context.now,
            request_id=context.request_id,
        )
        return AcknowledgeDetectionPayload(
            detection=await _afterwards(context, triage), has_changed=triage.has_changed
        )

    @guarded_mutation(
        Permission.DETECTIONS_REOPEN, "Open a detection again that was closed. Logged."
    )
    async def reopen_detection(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            ReopenDetectionInput, strawberry.argument(description="Which, and why.")
        ],
    ) -> ReopenDetectionPayload:
        """Delegate, and show the detection afterwards."""
        context = info.context
        triage = await context.work.run(
            reopen_detection,
            principal=context.principal,
            number=input.id,
            note=input.note,
            now=context.now,
            request_id=context.request_id,
        )
        return ReopenDetectionPayload(
            detection=await _afterwards(context, triage), has_changed=triage.has_changed
        )

    @guarded_mutation(
        Permission.DETECTIONS_REOPEN,
        "Mark a detection as dealt with: what happens from now on is a new one. Logged; a person"
        " can open it again.",
    )
    async def resolve_detection(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            ResolveDetectionInput, strawberry.argument(description="Which, and how.")
        ],
    ) -> ResolveDetectionPayload:
        """Delegate, and show the detection afterwards."""
        context = info.context
        triage = await context.work.run(
            resolve_detection,
            principal=context.principal,
            number=input.id,
            note=input.note,
            now=context.now,
            request_id=context.request_id,
        )
        return ResolveDetectionPayload(
            detection=await _afterwards(context, triage), has_changed=triage.has_changed
        )


async def _afterwards(context: Context, triage: Triage) -> DetectionType:
    row = await context.work.run(detection_by_name, str(triage.detection_id))
    return DetectionType.of(row)
