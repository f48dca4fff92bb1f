"""A bundle from one hub to another that never hears of it, by the real commands."""

from __future__ import annotations

from desks import digests


def test_a_model_goes_in_volumes_into_another_cache(desk, model, tmp_path):
    stick = tmp_path / "stick"
    done = desk.inside("bundle", "hf:org/model", str(stick), "--size", "1M", "--json", check_code=0)
    print(done.out)
    elsewhere = {"HUBFERRY_CACHE": str(tmp_path / "elsewhere"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = desk.inside("unbundle", str(stick), environment=elsewhere, check_code=0)
    print(done.said)
    assert digests(tmp_path / "elsewhere" / "org_model") == digests(model)
