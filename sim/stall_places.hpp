// At which places of the code CPUs are stalled (MA 7): drawn once for each, by its name.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "ticklab/sim/choices.hpp"

namespace ticklab::sim {

/// Asked at every interleaving point. The answer for a name is a choice of its own, whoever asks first.
class StallPlaces {
public:
    /// One place in `one_in`, at least 1.
    StallPlaces(Choices& choices, std::uint64_t one_in) : choices_(choices), one_in_(one_in) {}

    bool contains(const Site& site) {
        const Answer& known = remembered(&site);
        return known.of == &site ? known.stalls : remember(&site, site.hash());
    }
    /// `name` is a literal: it stays what and where it is.
    bool contains(const char* name) {
        const Answer& known = remembered(name);
        return known.of == name ? known.stalls : remember(name, name_hash(name));
    }

private:
    struct Answer {
        const void* of = nullptr;
        bool stalls = false;
    };
    /// Addresses settle what is looked up again, never what comes of it.
    Answer& remembered(const void* of) {
        return remembered_[(reinterpret_cast<std::uintptr_t>(of) >> 3) % remembered_.size()];
    }
    bool remember(const void* of, std::uint64_t name);

    Choices& choices_;
    std::uint64_t one_in_;
    std::array<Answer, 64> remembered_{};
    std::map<std::uint64_t, bool> by_name_;
};

}  // namespace ticklab::sim
