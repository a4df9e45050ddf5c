"""What another tool writes to the log of a table, action by action as Spark writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

Action = dict[str, Any]
Change = Callable[[Path], list[Action]]


def commit(table: Path, change: Change) -> int:
    """Write one commit on top of a table, and return its version."""
    log = table / "_delta_log"
    version = max(int(path.name[:20]) for path in log.glob("*.json")) + 1
    info = {
        "timestamp": 1_795_357_800_000,
        "operation": "SET TBLPROPERTIES",
        "engineInfo": "Apache-Spark/3.5.0 Delta-Lake/3.2.0",
    }
    actions: list[Action] = [{"commitInfo": info}, *change(table)]
    text = "".join(f"{json.dumps(action)}\n" for action in actions)
    (log / f"{version:020}.json").write_text(text, encoding="utf-8")
    return version


def upgraded(*features: str, readers: bool = True) -> Change:
    """Return the change that has a table demand features of its writers, and of its readers."""
    protocol: Action = {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}
    if readers:
        protocol |= {"minReaderVersion": 3, "readerFeatures": features}
    return lambda _: [{"protocol": protocol}]


def versions(reader: int, writer: int) -> Change:
    """Return the change to an older protocol, without named features."""
    protocol = {"minReaderVersion": reader, "minWriterVersion": writer}
    return lambda _: [{"protocol": protocol}]


def described(edit: Callable[[Action], object]) -> Change:
    """Return the change of a table's metadata that an edit makes."""

    def change(table: Path) -> list[Action]:
        opened = DeltaTable(table)
        found = opened.metadata()
        metadata = {
            "id": str(found.id),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": opened.schema().to_json(),
            "partitionColumns": [],
            "configuration": dict(found.configuration),
            "createdTime": found.created_time,
        }
        edit(metadata)
        return [{"metaData": metadata}]

    return change


def configured(**settings: str) -> Change:
    """Return the change of settings; a double underscore stands for a dot."""
    plain = {name.replace("__", "."): value for name, value in settings.items()}
    return described(lambda metadata: metadata["configuration"].update(plain))


def mapped(**renamed: str) -> Change:
    """Return the change to mapped columns, some of them renamed."""

    def edit(metadata: Action) -> None:
        schema = json.loads(metadata["schemaString"])
        for number, field in enumerate(schema["fields"], 1):
            field["metadata"] = {
                "delta.columnMapping.id": number,
                "delta.columnMapping.physicalName": field["name"],
            }
            field["name"] = renamed.get(field["name"], field["name"])
        metadata["schemaString"] = json.dumps(schema)
        metadata["configuration"]["delta.columnMapping.mode"] = "name"
        metadata["configuration"]["delta.columnMapping.maxColumnId"] = str(len(schema["fields"]))

    return together(versions(2, 5), described(edit))


def with_column(name: str) -> Change:
    """Return the change that adds a column."""

    def edit(metadata: Action) -> None:
        schema = json.loads(metadata["schemaString"])
        schema["fields"].append({"name": name, "type": "string", "nullable": True, "metadata": {}})
        metadata["schemaString"] = json.dumps(schema)

    return described(edit)


def together(*changes: Change) -> Change:
    """Return several changes as one."""
    return lambda table: [action for change in changes for action in change(table)]
