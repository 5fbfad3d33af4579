"""Whether the trainers load what ``curate`` writes: each by its own code, from the configuration its users write.

    python benchmarks/trainer_loading.py [DIR ...] --venvs FOLDER [--python NAME=PYTHON ...] [--chat-templates]

Each trainer has a virtual environment of its own, as their versions exclude each other; those that are missing are
left out and named. No accelerator is needed, and no network once they are installed:

    python -m venv FOLDER/trl           && FOLDER/trl/bin/pip install trl
    python -m venv FOLDER/axolotl       && FOLDER/axolotl/bin/pip install axolotl
    python -m venv FOLDER/llamafactory  && FOLDER/llamafactory/bin/pip install llamafactory
    python -m venv FOLDER/verl          && FOLDER/verl/bin/pip install verl uvicorn fastapi
    python -m venv FOLDER/datasets      && FOLDER/datasets/bin/pip install datasets

A CPU build of torch will do, where the index has one; LLaMA-Factory also wants the torchvision of the same build.

Without DIR it curates ``examples/shards`` with ``examples/curate.toml``, and a few conversations that it writes itself
(a system message, several turns, other scripts, neither answer nor reward).

No model can be downloaded, so each trainer is given a byte-level tokenizer made from the samples, with a ChatML
template that marks what the assistant says, and a model of random weights where it asks for one. All samples are then
decoded again from the token ids and the loss mask, and compared with the Parquet files as pyarrow reads them. It ends
with status 1 if a sample is missing, changed, or trained on anything but the assistant's turns.

``--chat-templates`` tells which of the chat templates that TRL ships do not keep the reasoning of the last turn.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parent.parent
RECIPE = ROOT / "examples" / "curate.toml"

IGNORED = -100
"""The label of a token that no loss is taken of; the same in all trainers."""
MAX_TOKENS = 65_536
"""Every trainer cuts, drops or refuses what is longer than its default, so each is told."""
TRL_COLUMNS = frozenset({"prompt", "chosen", "rejected", "completion", "messages"})
"""What ``trl.data_utils.is_conversational`` knows; it takes one of those that are there, from a set."""
START, END = "<|im_start|>", "<|im_end|>"
PAD = "<|endoftext|>"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{%- if message['role'] == 'assistant' -%}"
    "{% generation %}{{ message['content'] + '<|im_end|>\n' }}{% endgeneration %}"
    "{%- else -%}{{ message['content'] + '<|im_end|>\n' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)

CONVERSATIONS = """
[[steps]]
name = "normalise"
[[steps]]
name = "validate"
[[steps]]
name = "format"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One split of a directory that ``curate`` wrote.

    Args:
        folder: the directory.
        split: ``train`` or ``test``.
        files: its Parquet files, in order.
    """

    folder: Path
    split: str
    files: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a trainer made of a split.

    Args:
        columns: of the data set before it was made into tokens.
        texts: each sample as text, the special tokens included.
        trained: the part of each that loss is taken of; empty if the package takes none.
    """

    columns: Sequence[str]
    texts: Sequence[str]
    trained: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a split came through, in samples; what the line on the terminal says."""

    split: str
    written: int
    loaded: int = 0
    unchanged: int = 0
    thinking_written: int = 0
    thinking: int = 0
    masked: int | None = None
    roles: Sequence[str] = ()
    columns: Sequence[str] = ()
    error: str = ""

    @property
    def is_good(self) -> bool:
        """Whether every sample came through, and is trained on what the assistant says alone."""
        counts = {self.loaded, self.unchanged} | ({self.masked} if self.masked is not None else set())
        return not self.error and counts == {self.written} and self.thinking == self.thinking_written


def sources_of(folder: Path) -> list[Source]:
    """The splits of a directory, that to train on first."""
    splits: dict[str, list[str]] = {}
    for path in sorted((folder / "data").glob("*.parquet")):
        named = re.fullmatch(r"(\w+)-\d{5}-of-\d{5}", path.stem)
        if named is None:
            raise SystemExit(f"{path}: not named as a file of curate; give a directory that curate wrote")
        splits.setdefault(named[1], []).append(str(path))
    if not splits:
        raise SystemExit(f"{folder}: no data/*.parquet; give a directory that curate wrote")
    order = sorted(splits, key=lambda split: (split != "train", split))
    return [Source(folder=folder, split=split, files=splits[split]) for split in order]


# What runs in the trainers' own environments, which have none of this project's packages.


def load_datasets(source: Source, scratch: Path) -> Loaded:
    """HF datasets, the whole directory or its files."""
    del scratch
    rows = hf_split(source)
    return Loaded(columns=rows.column_names, texts=[rendered(row["messages"]) for row in rows])


def load_trl(source: Source, scratch: Path) -> Loaded:
    """TRL: ``SFTTrainer`` with the loss on the assistant's turns, and the batches of its own data loader."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - only there
    from trl import SFTConfig, SFTTrainer  # noqa: PLC0415

    rows = hf_split(source)
    if len(seen := TRL_COLUMNS.intersection(rows.column_names)) > 1:
        # It looks at one of them, which one is chance: with another hash seed, the same directory does not load.
        raise ValueError(f"columns {', '.join(sorted(seen))}: TRL takes either for the text; leave one")
    model = write_model(source, scratch)
    tokenizer = AutoTokenizer.from_pretrained(model)
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model)),
        args=SFTConfig(
            output_dir=str(scratch / "out"),
            assistant_only_loss=True,
            max_length=MAX_TOKENS,
            per_device_train_batch_size=4,
            report_to="none",
            use_cpu=True,
            bf16=False,
        ),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    samples = (
        (ids[is_there].tolist(), labels[is_there].tolist())
        for batch in trainer.get_train_dataloader()
        for ids, labels, is_there in zip(
            batch["input_ids"], batch["labels"], batch["attention_mask"].bool(), strict=True
        )
    )
    return decoded(tokenizer, samples, columns=rows.column_names)


def load_axolotl(source: Source, scratch: Path) -> Loaded:
    """axolotl: a configuration file, and what ``axolotl preprocess`` does with it."""
    import yaml  # noqa: PLC0415 - only in the trainer's environment
    from axolotl.cli.args import PreprocessCliArgs  # noqa: PLC0415
    from axolotl.cli.config import load_cfg  # noqa: PLC0415
    from axolotl.common.datasets import load_datasets as prepare  # noqa: PLC0415
    from axolotl.utils.data.shared import load_dataset_with_config  # noqa: PLC0415
    from axolotl.utils.dict import DictDefault  # noqa: PLC0415
    from transformers import AutoTokenizer  # noqa: PLC0415

    entry = {"path": str(source.folder), "split": source.split, "type": "chat_template", "field_messages": "messages"}
    model = write_model(source, scratch)
    config = {
        "base_model": str(model),
        "chat_template": "tokenizer_default",
        "datasets": [entry],
        "dataset_prepared_path": str(scratch / "prepared"),
        "output_dir": str(scratch / "out"),
        "sequence_len": MAX_TOKENS,
        "excess_length_strategy": "raise",
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "num_epochs": 1,
        "learning_rate": 1e-5,
    }
    path = scratch / "axolotl.yaml"
    path.write_text(yaml.safe_dump(config))
    rows = prepare(cfg=load_cfg(str(path)), cli_args=PreprocessCliArgs()).train_dataset
    columns = load_dataset_with_config(DictDefault(entry), use_auth_token=False).column_names
    samples = ((row["input_ids"], row["labels"]) for row in rows)
    return decoded(AutoTokenizer.from_pretrained(model), samples, columns=columns)


def load_llamafactory(source: Source, scratch: Path) -> Loaded:
    """LLaMA-Factory: an entry of ``dataset_info.json``, and its own way from there to labels."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # noqa: PLC0415 - only there
    from llamafactory.hparams import get_train_args  # noqa: PLC0415
    from llamafactory.model import load_tokenizer  # noqa: PLC0415

    # A folder of files is read whole, the test split too; a data set's folder by its splits.
    entry = {
        "script_url": str(source.folder),
        "split": source.split,
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }
    (scratch / "dataset_info.json").write_text(json.dumps({"curated": entry}))
    model_args, data_args, training_args, _, _ = get_train_args(
        {
            "stage": "sft",
            "do_train": True,
            "model_name_or_path": str(write_model(source, scratch)),
            "dataset": "curated",
            "dataset_dir": str(scratch),
            "template": "chatml",
            "cutoff_len": MAX_TOKENS,
            "output_dir": str(scratch / "out"),
            "report_to": "none",
            "use_cpu": True,
        }
    )
    module = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    rows = get_dataset(template, model_args, data_args, training_args, stage="sft", **module)["train_dataset"]
    samples = ((row["input_ids"], row["labels"]) for row in rows)
    return decoded(module["tokenizer"], samples, columns=hf_split(source).column_names)


def load_verl(source: Source, scratch: Path) -> Loaded:
    """verl: the data set that its SFT trainer makes from its own configuration."""
    import verl.trainer  # noqa: PLC0415 - only in the trainer's environment
    from hydra import compose, initialize_config_dir  # noqa: PLC0415
    from verl.trainer.sft_trainer import create_sft_dataset  # noqa: PLC0415
    from verl.utils import hf_tokenizer  # noqa: PLC0415

    overrides = [
        f"data.train_files={json.dumps(source.files)}",
        "data.messages_key=messages",
        f"data.max_length={MAX_TOKENS}",
    ]
    with initialize_config_dir(str(Path(verl.trainer.__file__).parent / "config"), version_base=None):
        config = compose("sft_trainer_engine", overrides=overrides).data
    tokenizer = hf_tokenizer(str(write_model(source, scratch)))
    rows = create_sft_dataset(config.train_files, config, tokenizer, None)
    samples = (
        (ids, [token if is_trained else IGNORED for token, is_trained in zip(ids, mask, strict=True)])
        for row in (rows[number] for number in range(len(rows)))
        for ids, mask in [(row["input_ids"].tolist(), row["loss_mask"].tolist())]
    )
    return decoded(tokenizer, samples, columns=list(rows.dataframe.columns))


LOADERS: Mapping[str, Callable[[Source, Path], Loaded]] = {
    "datasets": load_datasets,
    "trl": load_trl,
    "axolotl": load_axolotl,
    "llamafactory": load_llamafactory,
    "verl": load_verl,
}


def hf_split(source: Source) -> Any:  # noqa: ANN401 - of a package that is not installed here
    """The split as HF datasets loads it: from the directory, as its users name it, where that says enough."""
    from datasets import load_dataset  # noqa: PLC0415 - only in the trainer's environment

    return load_dataset(str(source.folder), split=source.split)


def decoded(
    tokenizer: Any,  # noqa: ANN401 - of a package that is not installed here
    samples: Iterable[tuple[list[int], list[int]]],
    *,
    columns: Sequence[str],
) -> Loaded:
    """Token ids and labels as text."""
    texts, trained = [], []
    for ids, labels in samples:
        texts.append(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
        kept = [token for token in labels if token != IGNORED]
        trained.append(tokenizer.decode(kept, clean_up_tokenization_spaces=False))
    return Loaded(columns=columns, texts=texts, trained=trained)


def rendered(messages: Iterable[Mapping[str, str]]) -> str:
    """A conversation in ChatML."""
    return "".join(f"{START}{message['role']}\n{message['content']}{END}\n" for message in messages)


def to_train_on(messages: Iterable[Mapping[str, str]]) -> str:
    """What the assistant says in it, each turn with the token that ends it."""
    return "".join(f"{message['content']}{END}" for message in messages if message["role"] == "assistant")


def conversations(source: Source) -> list[list[dict[str, str]]]:
    """The messages of each sample, as pyarrow reads them."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - in every environment, but the parent needs none

    # Each file alone: a folder would be read with what stands beside it.
    return [item for path in source.files for item in pq.ParquetFile(path).read(["messages"])["messages"].to_pylist()]


def write_model(source: Source, scratch: Path) -> Path:
    """The folder of a tokenizer trained on the samples, with a model's configuration beside it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415 - only there
    from transformers import LlamaConfig, PreTrainedTokenizerFast  # noqa: PLC0415

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # Every byte is in the alphabet, so that any text comes back as it was.
    trainer = trainers.BpeTrainer(
        vocab_size=2_000,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(rendered, conversations(source)), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)
    fast.chat_template = CHAT_TEMPLATE
    fast.model_max_length = MAX_TOKENS
    folder = scratch / "model"
    fast.save_pretrained(folder)
    LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=len(fast),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=MAX_TOKENS,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    ).save_pretrained(folder)
    return folder


def outcome_of(source: Source, load: Callable[[Source, Path], Loaded], scratch: Path) -> Outcome:
    """Loads a split and compares it, whatever the order, with the files."""
    written = conversations(source)
    expected = Counter((rendered(messages), to_train_on(messages)) for messages in written)
    thinking = sum("</think>" in trained for _, trained in expected.elements())
    try:
        scratch.mkdir()
        loaded = load(source, scratch)
    except Exception as error:  # noqa: BLE001 - whatever another package raises is the finding
        return Outcome(
            split=source.split, written=len(written), error=" ".join(f"{type(error).__name__}: {error}".split())
        )
    texts = [text.removesuffix("\n") + "\n" for text in loaded.texts]
    trained = [text.replace(f"{END}\n", END) for text in loaded.trained]
    whole = Counter(text for text, _ in expected.elements())
    return Outcome(
        split=source.split,
        written=len(written),
        loaded=len(texts),
        unchanged=(Counter(texts) & whole).total(),
        thinking_written=thinking,
        thinking=sum("<think>" in text and "</think>" in text for text in trained or texts),
        masked=(Counter(zip(texts, trained, strict=True)) & expected).total() if trained else None,
        roles=sorted({role for text in texts for role in re.findall(rf"{re.escape(START)}(\w+)\n", text)}),
        columns=loaded.columns,
    )


KEPT = "keeps it as it is"


def templates_of_trl(folder: Path) -> dict[str, str]:
    """For each chat template that TRL ships, what becomes of the reasoning in the assistant's last turn."""
    import trl  # noqa: PLC0415 - only in the trainer's environment
    from transformers.utils.chat_template_utils import render_jinja_template  # noqa: PLC0415

    messages = next(item for item in conversations(sources_of(folder)[0]) if "</think>" in item[-1]["content"])
    content = messages[-1]["content"]
    reasoning, _, answer = content.partition("</think>")
    reasoning = reasoning.partition("<think>")[2].strip()
    fates = {}
    for path in sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja")):
        try:
            (text,), _ = render_jinja_template([messages], chat_template=path.read_text(), bos_token="", eos_token=END)
        except Exception as error:  # noqa: BLE001 - whatever a template raises is the finding
            fates[path.stem] = f"does not take these messages ({type(error).__name__})"
            continue
        if content in text:
            fates[path.stem] = KEPT
        elif reasoning in text and answer.strip() in text:
            fates[path.stem] = "keeps it, with other tags or spacing"
        else:
            fates[path.stem] = "drops it, and keeps the answer" if answer.strip() in text else "drops the turn"
    return fates


def work(name: str, folders: Sequence[Path], scratch: Path) -> dict[str, Any]:
    """In a trainer's environment: its version, and what became of each directory and split."""
    outcomes = [
        {"folder": str(folder), **asdict(outcome_of(source, LOADERS[name], scratch / f"{number}-{source.split}"))}
        for number, folder in enumerate(folders)
        for source in sources_of(folder)
    ]
    return {"version": importlib.metadata.version(name), "outcomes": outcomes}


# What runs here.


def write_conversations(path: Path) -> None:
    """A shard of what the example shards lack: a system message, several turns, other scripts, no answer."""
    import pyarrow as pa  # noqa: PLC0415 - the trainers' environments need this file, but not this
    import pyarrow.parquet as pq  # noqa: PLC0415

    system = {"role": "system", "content": "You are a careful mathematician.\nAnswer briefly."}
    first = {"role": "user", "content": "What is 6 * 7?"}
    reply = {"role": "assistant", "content": "6 * 7 is 42."}
    then = {"role": "user", "content": "And half of it?"}
    chinese = {"role": "user", "content": "一半是多少?"}
    half = "<think>\nHalf of 42 is 21.\n</think>\n\nIt is \\boxed{21}."
    rows = [
        {"id": "system", "messages": [system, first], "completion": "<think>\n6 * 7 = 42 ✓\n</think>\n\n42 🎉"},
        {"id": "turns", "messages": [first, reply, then], "completion": half},
        {"id": "system-and-turns", "messages": [system, first, reply, then], "completion": half},
        {"id": "script", "messages": [chinese], "completion": "<think>\n四十二的一半是二十一。\n</think>\n\n二十一。"},
        {"id": "indented", "messages": [first], "completion": "<think>  6·7\n\t= 42</think>\n    42\n\n\n    = 6 * 7"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


def curated(folder: Path) -> list[Path]:
    """Directories that ``curate`` writes now: verified samples, and conversations without answers."""
    write_conversations(folder / "conversations.parquet")
    (folder / "conversations.toml").write_text(CONVERSATIONS)
    inputs = {
        "examples": [str(RECIPE)],
        "conversations": [str(folder / "conversations.toml"), "--input", str(folder / "conversations.parquet")],
    }
    for name, arguments in inputs.items():
        command = [sys.executable, "-c", "from curation.cli import main; main()", "run", *arguments]
        subprocess.run([*command, "--output", str(folder / name), "--no-store"], check=True, cwd=ROOT, **QUIET)
    return [folder / name for name in inputs]


QUIET: Mapping[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def asked(python: Path, name: str, folders: Sequence[Path], scratch: Path) -> Any:  # noqa: ANN401 - JSON
    """What a trainer's environment finds; its own output goes to a file.

    Raises:
        RuntimeError: it ended without an answer; holds the end of its output.
    """
    scratch.mkdir()
    answer, log = scratch / "answer.json", scratch / "log"
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch / "hf"), "WANDB_MODE": "disabled"}
    private = {"AXOLOTL_DO_NOT_TRACK": "1", "DO_NOT_TRACK": "1", "CUDA_VISIBLE_DEVICES": ""}
    # -P: this folder must not stand for a package of the trainer's.
    command = [str(python), "-P", str(HERE), *map(str, folders), "--inside", name, "--scratch", str(scratch)]
    with log.open("wb") as output:
        subprocess.run(
            command, cwd=scratch, env={**os.environ, **offline, **private}, stdout=output, stderr=output, check=False
        )
    if not answer.exists():
        raise RuntimeError(" | ".join(log.read_text(errors="replace").strip().splitlines()[-3:]))
    return json.loads(answer.read_text())


def line(outcome: Outcome) -> str:
    """An outcome as people read it."""
    if outcome.error:
        return f"{outcome.split}: CANNOT LOAD: {outcome.error}"
    masked = "no loss mask" if outcome.masked is None else f"loss on the assistant alone {outcome.masked}"
    return (
        f"{outcome.split}: {'ok' if outcome.is_good else 'DIFFERS'}: {outcome.loaded} of {outcome.written} samples, "
        f"text unchanged {outcome.unchanged}, with <think> {outcome.thinking} of {outcome.thinking_written}, {masked}; "
        f"roles {', '.join(outcome.roles)}; columns {', '.join(outcome.columns)}"
    )


def pythons_of(venvs: Path | None, named: Sequence[str]) -> dict[str, Path]:
    """The interpreter of each trainer that there is."""
    places = {name: venvs / name / "bin" / "python" for name in LOADERS} if venvs else {}
    found = {name: path.absolute() for name, path in places.items() if path.exists()}
    for item in named:
        name, _, path = item.partition("=")
        if name not in LOADERS:
            raise SystemExit(f"--python {item}: no such trainer; there are {', '.join(LOADERS)}")
        if not Path(path).is_file():
            raise SystemExit(f"--python {item}: no such file; give the interpreter of an environment")
        found[name] = Path(path).absolute()
    return found


def show(trainer: str, python: Path | None, folders: Sequence[Path], scratch: Path) -> bool:
    """Prints what a trainer makes of the directories; whether all is as it should be."""
    if python is None:
        print(f"{trainer}: no environment, left out")
        return True
    start = time.monotonic()
    try:
        answer = asked(python, trainer, folders, scratch)
    except RuntimeError as error:
        print(f"{trainer}: DOES NOT START: {error}")
        return False
    print(f"{trainer} {answer['version']} ({time.monotonic() - start:.0f} s)")
    outcomes = [(Path(item.pop("folder")), Outcome(**item)) for item in answer["outcomes"]]
    for folder, outcome in outcomes:
        print(f"  {folder.name}, {line(outcome)}", flush=True)
    return all(outcome.is_good for _, outcome in outcomes)


def show_templates(fates: Mapping[str, str]) -> None:
    """Prints the chat templates that do something to the reasoning."""
    kept = sum(fate == KEPT for fate in fates.values())
    print(f"the reasoning of the last turn, in the chat templates that TRL ships: {kept} of {len(fates)} keep it")
    for fate in sorted(set(fates.values()) - {KEPT}):
        print(f"  {fate}: {', '.join(name for name, its in fates.items() if its == fate)}")


def main() -> None:
    """Prints a line for each trainer, directory and split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="that curate wrote")
    parser.add_argument("--venvs", type=Path, metavar="FOLDER", help="holds an environment of each trainer's name")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PYTHON", help="of one trainer")
    parser.add_argument("--chat-templates", action="store_true", help="also what TRL's do to the reasoning")
    parser.add_argument("--inside", choices=[*LOADERS, "templates"], help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        asks_templates = options.inside == "templates"
        answer = (
            templates_of_trl(options.folders[0])
            if asks_templates
            else work(options.inside, options.folders, options.scratch)
        )
        (options.scratch / "answer.json").write_text(json.dumps(answer))
        return
    pythons = pythons_of(options.venvs, options.python)
    if not pythons:
        parser.error("no trainer: give --venvs or --python; the commands stand above")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folders = [folder.resolve() for folder in options.folders] or curated(scratch)
        for folder in folders:
            sources_of(folder)  # what is no output of curate ends here, before any trainer starts
        is_good = True
        for trainer in LOADERS:
            is_good &= show(trainer, pythons.get(trainer), folders, scratch / trainer)
        if options.chat_templates and "trl" in pythons:
            show_templates(asked(pythons["trl"], "templates", folders[:1], scratch / "templates"))
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
