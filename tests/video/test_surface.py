import patchworld.video


def test_the_public_names_are_these():
    assert patchworld.video.__all__ == [
        "Clip",
        "VideoInfo",
        "Writer",
        "check_output",
        "contact_sheet",
        "fit",
        "frames",
        "probe",
        "psnr",
        "read",
        "read_recipe",
        "resize",
        "retime",
        "ssim",
        "write",
    ]
    assert all(hasattr(patchworld.video, name) for name in patchworld.video.__all__)
