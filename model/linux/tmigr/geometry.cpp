#include "ticklab/model/linux/tmigr/geometry.hpp"

#include <bit>

namespace ticklab::linux_::tmigr {
namespace {

unsigned ceil_log2(std::uint32_t n) { return n <= 1 ? 0 : static_cast<unsigned>(std::bit_width(n - 1)); }

}  // namespace

Geometry Geometry::of(sim::CpuId cpus, std::uint32_t nodes, unsigned children) {
    Geometry g;
    g.children = children;
    if (cpus <= 1)
        return g;
    const unsigned bits = ceil_log2(children);
    const std::uint32_t per_node = (cpus + nodes - 1) / nodes;
    g.cpu_levels = (ceil_log2(per_node) + bits - 1) / bits;
    g.node_levels = (ceil_log2(nodes) + bits - 1) / bits;
    return g;
}

}  // namespace ticklab::linux_::tmigr
