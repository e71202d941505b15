"""What the operator costs and how fast it is, beside what would be possible on the same machine: make bench, docs/benchmarks.md."""
