"""Which files are slow: `make test` leaves them out, `make slow` runs them."""

import pytest

SLOW = {
    "test_benchmarks.py", "test_certify_model.py", "test_chain.py", "test_cluster.py", "test_coq.py", "test_corpora.py", "test_docs.py",
    "test_entry_points.py", "test_experiments.py", "test_foundations.py", "test_gpu_benchmark.py", "test_huggingface.py",
    "test_kernels.py", "test_kernels_compiled.py", "test_kill.py", "test_mutation.py", "test_overview.py", "test_pytest_plugin.py",
    "test_roofline.py", "test_sequence_parallel.py", "test_shared_examples.py", "test_sisters.py", "test_site_browser.py",
    "test_subspace.py", "test_workers.py",
}  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name in SLOW:
            item.add_marker(pytest.mark.slow)
