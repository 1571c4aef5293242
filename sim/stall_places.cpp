#include "ticklab/sim/stall_places.hpp"

#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::sim {

bool StallPlaces::remember(const void* of, std::uint64_t name) {
    const auto [at, unknown] = by_name_.try_emplace(name, false);
    if (unknown) {
        ChoiceContext context(name);
        at->second = choices_.one_in(sites::kStallPlace, context, one_in_);
    }
    remembered(of) = {of, at->second};
    return at->second;
}

}  // namespace ticklab::sim
