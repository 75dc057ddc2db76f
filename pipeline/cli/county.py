"""Commands that make a workspace, or an invented county in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.common import AsJson, DrawnNoise, Scale, Seed, console, guarded, print_json
from pipeline.cli.runs import run_now


@guarded
def init(
    folder: Annotated[Path, typer.Argument(help="新工作区 Folder to make.")],
    code: Annotated[str, typer.Option(help="县级行政区代码 County code, 6 digits.")],
    name: Annotated[str, typer.Option(help="名称 Name of the county.")],
    crs: Annotated[str, typer.Option(help="投影坐标系 Projected CRS.")] = "EPSG:4549",
) -> None:
    """建立工作区。 Make a workspace.

    Example: diqi init mycounty --code 330299 --name 青岚县
    """
    from pipeline.settings import load_settings
    from pipeline.workspace import create_workspace

    create_workspace(folder.resolve(), code=code, name=name, crs=crs)
    load_settings(folder.resolve())
    console.print(
        f"{folder}/inbox/ 放入来件，然后 diqi run -w {folder}", markup=False, highlight=False
    )
    console.print(
        f"put the deliveries into {folder}/inbox/, then: diqi run -w {folder}", markup=False
    )


@guarded
def generate(
    folder: Annotated[Path, typer.Argument(help="文件夹 Folder; a workspace or not.")],
    scale: Scale = None,
    seed: Seed = None,
    night: Annotated[
        int, typer.Option(help="第几夜 Which night; 0 is the first day, 2026-06-30.")
    ] = 0,
    noise: DrawnNoise = None,
    as_json: AsJson = False,
) -> None:
    """生成虚构县的来件和真值。 Write the deliveries of an invented county, and the truth.

    Example: diqi generate demo-county --night 1
    """
    from pipeline.demo import make_county

    made = make_county(folder.resolve(), scale=scale, seed=seed, noise=noise or (), night=night)
    if as_json:
        print_json(made._asdict())
        return
    console.print(f"规模 scale {made.scale:g}, 种子 seed {made.seed}", highlight=False)
    console.print(f"来件 deliveries: {made.inbox}", markup=False, highlight=False)
    console.print(f"真值 truth: {made.truth}", markup=False, highlight=False)


@guarded
def demo(
    folder: Annotated[Path, typer.Argument(help="文件夹 Folder.")] = Path("demo-county"),
    scale: Scale = None,
    seed: Seed = None,
    noise: DrawnNoise = None,
    as_json: AsJson = False,
) -> None:
    """生成、载入并运行虚构县。 Make the invented county, load it, run it.

    Example: diqi demo demo-county
    """
    from pipeline.demo import make_demo
    from pipeline.ledger import published_as_of
    from pipeline.settings import load_settings
    from pipeline.workspace import open_database

    workspace = folder.resolve()
    made = make_demo(workspace, scale=scale, seed=seed, noise=noise or ())
    settings = load_settings(workspace)
    published = published_as_of(open_database(settings))
    run_now(settings, max(made.date, published or made.date), as_json=as_json)
