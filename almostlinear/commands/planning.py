"""Commands about the explicit theorem: plan answers what an error needs, certificate check reads arguments in files again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .common import FAILED, JsonOption, PluginOption, app, bad, chosen, emit, load_registry

CERTIFICATES = Path(".almostlinear") / "certificates"


@app.command(
    epilog="Example: almostlinear plan --n 131072 --d 3 --layers 4 --error n^-2. "
    "Norms: column sums of absolute values, the largest of any layer and head."
)
def plan(
    n: Annotated[int, typer.Option("--n", help="Tokens.")],
    d: Annotated[int, typer.Option("--d", help="Features.")],
    layers: Annotated[int, typer.Option(help="Layers m.")] = 1,
    heads: Annotated[int, typer.Option(help="Heads h, of d/h features each.")] = 1,
    entry_bound: Annotated[str, typer.Option(help="R >= |X|, |X W|, |X W^T| in every layer.")] = "1",
    error: Annotated[str, typer.Option(help="Largest error of an entry of any gradient: n^-2 or 1e-6.")] = "n^-2",
    scale: Annotated[str, typer.Option(help="Of the scores: 1/d (of a head) or a number.")] = "1/d",
    score_range: Annotated[str | None, typer.Option(help="b >= |scores|, instead of scale d R^2.")] = None,
    value_norm: Annotated[str, typer.Option(help="Of W_V.")] = "1",
    weight_norm: Annotated[str, typer.Option(help="Of W and W^T; of it the word alone depends.")] = "1",
    mlp_norm: Annotated[str, typer.Option(help="Of W_g.")] = "1",
    lipschitz: Annotated[str, typer.Option(help="L1 >= |phi'|.")] = "1",
    gradient: Annotated[str, typer.Option(help="gamma >= |dL/dT_m|, entry by entry.")] = "1",
    residual: Annotated[bool, typer.Option("--residual", help="Residual connections.")] = False,
    causal: Annotated[bool, typer.Option("--causal", help="A causal mask.")] = False,
    word: Annotated[str, typer.Option(help="fixed, floating or both.")] = "both",
    as_json: JsonOption = False,
) -> None:
    """Say which degree, rank, operations, memory and word an error needs, or why it cannot be met below rank n."""
    from almostlinear.verify import plan_inputs as read
    from almostlinear.verify import remedies

    if word not in ("fixed", "floating", "both"):
        bad(f"unknown word {word!r}; use fixed, floating or both")
    numbers = {
        "entry_bound": entry_bound, "value_norm": value_norm, "weight_norm": weight_norm, "mlp_norm": mlp_norm,
        "lipschitz": lipschitz, "gradient": gradient, **({} if score_range is None else {"score_range": score_range}),
    }  # fmt: skip
    try:
        fractions = {name: read.number(text, f"--{name.replace('_', '-')}") for name, text in numbers.items()}
        given = read.Inputs(
            n,
            d,
            layers,
            heads,
            read.error(error),
            scale=read.scale(scale),
            residual=residual,
            causal=causal,
            **fractions,
        )
        found = remedies.plan(given)
    except read.BadPlan as problem:
        bad(str(problem))
    if word != "both":
        found["word"].pop("floating" if word == "fixed" else "fixed")
    if as_json:
        emit({"plan": found})
    else:
        from almostlinear import terminal

        terminal.show_plan(found)
    if not found["possible"]:
        raise typer.Exit(FAILED)


certificate = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Certificates: arguments in files.")
app.add_typer(certificate, name="certificate")


@certificate.command("write", epilog="Example: almostlinear certificate write E.7r G.4r --out certificates")
def certificate_write(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the files.", metavar="DIR")] = CERTIFICATES,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a certificate of every bound and identity that has one, with the solvers' second opinions; of all, the facts on boxes too."""
    from almostlinear.verify.certificates import collect

    registry = load_registry(plugin)
    try:
        paths = collect.write_all(out, chosen(registry, list(ids or [])), with_boxes=not ids)
    except OSError as error:
        bad(f"{out}: cannot be written ({error.strerror})")
    if as_json:
        emit({"certificates": [str(path) for path in paths]})
    else:
        print(f"{len(paths)} files in {out}")


@certificate.command(
    "check", epilog="Example: almostlinear certificate check .almostlinear/certificates/E.7r-3407d2.json"
)
def certificate_check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    quiet: Annotated[bool, typer.Option("--quiet", help="Name the rejected ones alone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Re-check certificates with the stand-alone checker: exactly, step by step, and without the code that wrote them."""
    from almostlinear.verify import checker

    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            rows.append({"file": str(file), "ok": True, "kinds": checker.check(checker.read(file))})
        except checker.Rejected as error:
            rows.append({"file": str(file), "ok": False, "step": error.step, "reason": error.reason})
        except checker.BadInput as error:
            bad(f"{file}: {error}")
    if as_json:
        emit({"certificates": rows})
    else:
        for row in rows:
            if quiet and row["ok"]:
                continue
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(row.get("kinds", {}).items()))
            print(
                f"{row['file']}: "
                + (f"ok ({kinds or 'no steps'})" if row["ok"] else f"rejected, step {row['step']}: {row['reason']}")
            )
        if quiet:
            print(f"{sum(row['ok'] for row in rows)} of {len(rows)} certificates accepted")
    if not all(row["ok"] for row in rows):
        raise typer.Exit(FAILED)
