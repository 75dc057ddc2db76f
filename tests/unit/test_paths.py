from pipeline import _paths
from pipeline._paths import data_path


def test_checkout_has_the_three_folders():
    for folder in ("sql", "gis_layers", "config"):
        assert data_path(folder).is_dir()
    assert data_path("gis_layers", "parcel.qml").is_file()


def test_wheel_data_go_first(tmp_path, monkeypatch):
    (tmp_path / "_data").mkdir()
    monkeypatch.setattr(_paths, "_PACKAGE", tmp_path)
    assert data_path("sql", "checks") == tmp_path / "_data" / "sql" / "checks"
