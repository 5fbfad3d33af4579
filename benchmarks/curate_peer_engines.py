"""Engines that ``curate_peers.py`` compares with ``curate``, each in its own process and interpreter.

    python curate_peer_engines.py ENGINE SOURCE TARGET [--verifies] [--keeps-dropped] [--style usual|careful]

Reads the shards of SOURCE, a completion a row, and writes what is kept to ``TARGET/data`` as zstd Parquet, each text
once (data-juicer's own exporter writes snappy). All ask ``row_filters`` row by row, in two processes; batches and
formats are those of the engine.

In the style ``usual`` an engine is used as its own documentation shows: datatrove with a filter of single documents
and the defaults of writer and executor, HF with a ``map`` that tells each row its reason and a ``filter`` by it,
data-juicer with a recipe of one batched filter that computes a statistic and decides by it. In the style ``careful``
each is set up as one would for speed: no options that cost and that nobody asked for (page index, content-defined
chunks, statistics), whole batches to a call, only the columns that a call reads, one pass where two are usual.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from row_filters import RowFilter, math_judge, normalised, row_filter, run_python, write_tables

WORKERS = 2
BATCH = 1_000
_OPERATOR = "reasoning_filter"
COLUMNS = ("id", "group_id", "domain", "prompt", "answer", "completion")


def reasons(filters: RowFilter, groups: list[str], prompts: list[str], texts: list[str]) -> list[str | None]:
    """Of a batch of rows."""
    reason = filters.reason
    return [reason(group, prompt, text) for group, prompt, text in zip(groups, prompts, texts, strict=True)]


def run_datatrove(source: Path, target: Path, *, verifies: bool, keeps_dropped: bool, is_usual: bool) -> None:
    """Reader, filter block, writer; with ``verifies`` a second block that judges in the same workers."""
    from datatrove.data import Document  # noqa: PLC0415 - only this engine has it
    from datatrove.executor import LocalPipelineExecutor  # noqa: PLC0415
    from datatrove.pipeline.filters.base_filter import BaseFilter  # noqa: PLC0415
    from datatrove.pipeline.readers import ParquetReader  # noqa: PLC0415

    class Readable(BaseFilter):
        name = "R1 text filters"

        def __init__(self, exclusion_writer: Any) -> None:  # noqa: ANN401
            super().__init__(exclusion_writer, batch_size=1 if is_usual else BATCH)
            self.filters = row_filter(is_usual=is_usual)

        def filter(self, doc: Document) -> bool | tuple[bool, str]:
            return self.filter_batch([doc])[0]

        def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
            if verifies:
                for doc in batch:
                    doc.text = normalised(doc.text)
            groups = [doc.metadata["group_id"] for doc in batch]
            prompts = [doc.metadata["prompt"] for doc in batch]
            found = reasons(self.filters, groups, prompts, [doc.text for doc in batch])
            return [True if reason is None else (False, reason) for reason in found]

    class Right(BaseFilter):
        name = "math-verify"

        def __init__(self, exclusion_writer: Any) -> None:  # noqa: ANN401
            super().__init__(exclusion_writer)
            self.judge: Callable[[str, str], bool] | None = None

        def filter(self, doc: Document) -> bool | tuple[bool, str]:
            # Imported by the worker that needs it.
            self.judge = self.judge or math_judge(is_usual=is_usual)
            return self.judge(doc.metadata["answer"], doc.text) or (False, "wrong")

    careful = {} if is_usual else {"use_content_defined_chunking": False, "write_page_index": False}
    blocks: list[Any] = [
        ParquetReader(str(source), glob_pattern="*.parquet", text_key="completion", batch_size=BATCH),
        Readable(_writer(target / "rejected", "filter_reason", options=careful) if keeps_dropped else None),
        *(
            [Right(_writer(target / "wrong", "filter_reason", options=careful) if keeps_dropped else None)]
            if verifies
            else []
        ),
        _writer(target / "data", options=careful),
    ]
    # A task a worker and processes that fork are the cheapest here: less is imported and started anew.
    start = {} if is_usual else {"start_method": "fork"}
    LocalPipelineExecutor(blocks, tasks=WORKERS, workers=WORKERS, logging_dir=str(target / "logs"), **start).run()


def _writer(folder: Path, *columns: str, options: dict[str, Any]) -> Any:  # noqa: ANN401 - a class of a package that is not here
    from datatrove.pipeline.writers import ParquetWriter  # noqa: PLC0415 - only this engine has it

    def written(_: ParquetWriter, document: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"id": document.id, "completion": document.text, **document.metadata}

    return ParquetWriter(
        str(folder),
        compression="zstd",
        adapter=written,
        # Of the first document it would make a schema that another does not fit.
        schema=pa.schema([(name, pa.string()) for name in (*COLUMNS, *columns)]),
        **options,
    )


def run_datasets(source: Path, target: Path, *, verifies: bool, keeps_dropped: bool, is_usual: bool) -> None:
    """HF datasets: a batched map that drops rows in two processes, then Parquet."""
    import datasets  # noqa: PLC0415 - only this engine has it

    assert not verifies
    assert not keeps_dropped
    datasets.disable_progress_bars()
    files = [str(path) for path in sorted(source.glob("*.parquet"))]
    rows = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(target / "cache"), num_proc=WORKERS
    )

    def told(batch: dict[str, list[Any]]) -> dict[str, list[str | None]]:
        columns = (batch[name] for name in ("group_id", "prompt", "completion"))
        return {"drop_reason": reasons(row_filter(is_usual=is_usual), *columns)}

    def kept_of(batch: pa.Table) -> pa.Table:
        # Whole prompts, as batches and what a process gets are a multiple of their rows.
        columns = [batch[name].to_pylist() for name in ("group_id", "prompt", "completion")]
        return batch.filter(pa.array([reason is None for reason in reasons(row_filter(is_usual=is_usual), *columns)]))

    if is_usual:
        told_rows = rows.map(told, batched=True, batch_size=BATCH, num_proc=WORKERS)
        kept = told_rows.filter(
            lambda reason: reason is None, input_columns="drop_reason", num_proc=WORKERS
        ).remove_columns("drop_reason")
    else:
        # Cheaper than ``filter``, as it decodes the columns that are read and copies those that are kept, by Arrow.
        kept = rows.with_format("arrow").map(kept_of, batched=True, batch_size=BATCH, num_proc=WORKERS)
    (target / "data").mkdir()
    # ``to_parquet`` of datasets 5 knows snappy alone.
    write_tables(kept.with_format("arrow").iter(BATCH), target / "data" / "all.parquet")


def run_data_juicer(source: Path, target: Path, *, verifies: bool, keeps_dropped: bool, is_usual: bool) -> None:
    """data-juicer: one batched filter in two processes, without tracer or monitor."""
    import datasets  # noqa: PLC0415 - only this engine has it
    from data_juicer.ops.base_op import NON_STATS_FILTERS, OPERATORS, Filter  # noqa: PLC0415
    from data_juicer.utils.constant import Fields  # noqa: PLC0415

    assert not verifies
    assert not keeps_dropped
    datasets.disable_progress_bars()

    def told(samples: dict[str, list[Any]]) -> list[str | None]:
        columns = (samples[name] for name in ("group_id", "prompt", "completion"))
        return reasons(row_filter(is_usual=is_usual), *columns)

    class UsualFilter(Filter):
        _batched_op = True

        def compute_stats_batched(self, samples: dict[str, list[Any]], *_: object, **__: object) -> dict[str, Any]:
            for stats, reason in zip(samples[Fields.stats], told(samples), strict=True):
                stats["drop_reason"] = reason or ""
            return samples

        def process_batched(self, samples: dict[str, list[Any]]) -> list[bool]:
            return [not stats["drop_reason"] for stats in samples[Fields.stats]]

    class CarefulFilter(Filter):
        _batched_op = True

        def compute_stats_batched(self, samples: dict[str, list[Any]], *_: object, **__: object) -> dict[str, Any]:
            return samples

        def process_batched(self, samples: dict[str, list[Any]]) -> list[bool]:
            return [reason is None for reason in told(samples)]

    if is_usual:
        OPERATORS.register_module(_OPERATOR)(UsualFilter)
        _run_recipe(source, target)
        return
    NON_STATS_FILTERS.register_module(_OPERATOR)(OPERATORS.register_module(_OPERATOR)(CarefulFilter))
    files = [str(path) for path in sorted(source.glob("*.parquet"))]
    rows = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(target / "cache"), num_proc=WORKERS
    )
    operator = CarefulFilter(
        text_key="completion", batch_size=BATCH, num_proc=WORKERS, auto_op_parallelism=False, skip_op_error=False
    )
    from data_juicer.core.data import NestedDataset  # noqa: PLC0415

    kept = NestedDataset(rows).process([operator], open_monitor=False)
    (target / "data").mkdir()
    # Its own exporter asks HF's, which knows snappy alone.
    write_tables(kept.with_format("arrow").iter(BATCH), target / "data" / "all.parquet")


def _run_recipe(source: Path, target: Path) -> None:
    """What ``dj-process --config`` does, with all at its defaults but the number of processes."""
    from data_juicer.config import init_configs  # noqa: PLC0415 - only this engine has it
    from data_juicer.core import DefaultExecutor  # noqa: PLC0415

    recipe = target / "recipe.yaml"
    options = {
        "dataset_path": source,
        "export_path": target / "data" / "all.parquet",
        "np": WORKERS,
        "text_keys": "completion",
        "ds_cache_dir": target / "cache",
        "work_dir": target / "work",
        "process": f"[{_OPERATOR}: {{}}]",
    }
    recipe.write_text("".join(f"{name}: {value}\n" for name, value in options.items()), encoding="utf-8")
    DefaultExecutor(init_configs(["--config", str(recipe)])).run()


ENGINES = {
    "python": run_python,
    "datatrove": run_datatrove,
    "datasets": run_datasets,
    "data-juicer": run_data_juicer,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--verifies", action="store_true")
    parser.add_argument("--keeps-dropped", action="store_true")
    parser.add_argument("--style", choices=("usual", "careful"), default="careful")
    chosen = parser.parse_args()
    # Nothing here is on a hub.
    os.environ["HF_HUB_OFFLINE"] = "1"
    run = ENGINES[chosen.engine]
    is_usual = chosen.style == "usual"
    run(
        chosen.source,
        chosen.target,
        verifies=chosen.verifies,
        keeps_dropped=chosen.keeps_dropped,
        is_usual=is_usual,
    )


if __name__ == "__main__":
    main()
