"""Instance types with sizes and prices. Ids follow no common pattern, as in the real catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from chainenv_sandbox.baseten.errors import JsonObject

DEFAULT_INSTANCE_TYPE = "1x2"


@dataclass(frozen=True, slots=True)
class InstanceType:
    id: str
    vcpus: int
    memory_gib: int
    price: float  # USD per minute and replica
    gpu_count: int = 0
    gpu_type: str | None = None
    gpu_memory_gib: int | None = None

    @property
    def name(self) -> str:
        size = f"{self.vcpus} vCPU{'s' if self.vcpus > 1 else ''}, {self.memory_gib} GiB RAM"
        if not self.gpu_count:
            return size
        return f"{self.gpu_count} {self.gpu_type}, {size}" if self.gpu_count > 1 else f"{self.gpu_type}, {size}"

    def as_json(self) -> JsonObject:
        return {
            "id": self.id,
            "name": self.name,
            "memory_limit_mib": self.memory_gib * 1024,
            "millicpu_limit": self.vcpus * 1000,
            "gpu_count": self.gpu_count,
            "gpu_type": self.gpu_type,
            "gpu_memory_limit_mib": None if self.gpu_memory_gib is None else self.gpu_memory_gib * 1024,
        }


_ALL = (
    InstanceType("1x2", 1, 2, 0.00058),
    InstanceType("1x4", 1, 4, 0.00086),
    InstanceType("2x8", 2, 8, 0.00173),
    InstanceType("4x16", 4, 16, 0.00346),
    InstanceType("8x32", 8, 32, 0.00691),
    InstanceType("16x64", 16, 64, 0.01382),
    InstanceType("T4x4x16", 4, 16, 0.01052, 1, "T4", 16),
    InstanceType("T4x8x32", 8, 32, 0.01504, 1, "T4", 16),
    InstanceType("L4x4x16", 4, 16, 0.01414, 1, "L4", 24),
    InstanceType("A10Gx4x16", 4, 16, 0.02012, 1, "A10G", 24),
    InstanceType("A10Gx8x32", 8, 32, 0.02424, 1, "A10G", 24),
    InstanceType("A10G:2x24x96", 24, 96, 0.05672, 2, "A10G", 24),
    InstanceType("A100", 12, 144, 0.06667, 1, "A100", 80),
    InstanceType("H100MIG", 13, 117, 0.0625, 1, "H100MIG", 40),
    InstanceType("H100", 26, 234, 0.10833, 1, "H100", 80),
    InstanceType("H100:2", 52, 468, 0.21667, 2, "H100", 80),
)
CATALOGUE: dict[str, InstanceType] = {one.id: one for one in _ALL}
