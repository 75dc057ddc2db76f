"""Commands for the workspace's own database."""

from __future__ import annotations

import sys

import typer

from pipeline.cli.common import AsJson, Workspace, console, guarded, print_json, settings_of

app = typer.Typer(help="本工作区的数据库 The workspace's own PostGIS.", no_args_is_help=True)


@app.command("start")
@guarded
def server_start(workspace: Workspace = None) -> None:
    """启动数据库。 Start the private PostGIS.

    Example: diqi server start -w mycounty
    """
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    open_database(settings)
    console.print("running")


@app.command("stop")
@guarded
def server_stop(workspace: Workspace = None) -> None:
    """停止数据库。 Stop the private PostGIS.

    Example: diqi server stop -w mycounty
    """
    from pipeline.server import PrivateServer

    PrivateServer(settings_of(workspace).workspace).stop()
    console.print("stopped")


@app.command("status")
@guarded
def server_status(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """数据库状态。 State of the private PostGIS.

    Example: diqi server status -w mycounty
    """
    import dataclasses

    from pipeline.server import PrivateServer

    found = dataclasses.asdict(PrivateServer(settings_of(workspace).workspace).status())
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        console.print(f"{name}: {value}", markup=False, highlight=False, soft_wrap=True)


@app.command("dsn")
@guarded
def server_dsn(workspace: Workspace = None) -> None:
    """连接串，一行。 One libpq connection string on one line.

    Example: psql "$(diqi server dsn -w mycounty)"
    """
    from pipeline.workspace import dsn_of

    sys.stdout.write(dsn_of(settings_of(workspace)) + "\n")


@app.command("prepare-sql")
@guarded
def server_prepare_sql(workspace: Workspace = None) -> None:
    """给定服务器的管理员须执行的语句。 What the administrator of a given server must run.

    Example: diqi server prepare-sql -w mycounty | psql -U postgres -d county
    """
    from pipeline.workspace import preparation

    sys.stdout.write(preparation(settings_of(workspace)))
