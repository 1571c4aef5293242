// Swarm testing: what of a scenario a hunt varies from run to run, as the scenario's "swarm" says.
//
// Rules
//  (1) What is drawn for a place depends on the seed and on its own entry alone: an entry more or less leaves the draws
//      of the others alone.
//  (2) Draws are --set arguments, so places are those of the file as it stands (lab/json_source.hpp) and a run's
//      command line is all of it. What the user has set is not drawn.
//  (3) Whoever runs the scenario without drawing does not look at its "swarm" beyond the schema.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// Of an entry's "one_of".
inline constexpr int kMaxSwarmValues = 100;

/// Both included.
struct SwarmIntegers {
    std::int64_t from;
    std::int64_t to;
};
/// Both included, and whole grains above `from`.
struct SwarmTimes {
    sim::Duration from;
    sim::Duration to;
    bool relative;  ///< "+5ms"
};
/// As --set takes them.
using SwarmValues = std::vector<std::string>;
/// The place is left out in half of the runs.
struct SwarmOmission {};

struct SwarmEntry {
    std::string place;  ///< JSON pointer
    std::variant<SwarmIntegers, SwarmTimes, SwarmValues, SwarmOmission> range;
};

/// What times of a range differ by: the greatest power of ten, in ps, of which 1000 or more fit into the range; at
/// least 1 ps.
sim::Duration swarm_grain(sim::Duration from, sim::Duration to);

class Swarm {
public:
    /// Reads the "swarm" of the file that `scenario` was loaded from with these --set arguments, and sees that it loads
    /// with each end of each range, the other places as they stand. Nothing, and at least one more error, if anything
    /// is wrong.
    static std::optional<Swarm> read(const ScenarioLoader& loader, const Scenario& scenario,
                                     const std::vector<std::string>& overrides, std::vector<InputError>& errors);

    /// Whether nothing varies: the scenario has no "swarm", or the user has set all of it.
    bool empty() const { return entries_.empty(); }
    /// The draws of a seed as --set arguments: those within what is left out are left out.
    std::vector<std::string> draw(std::uint64_t seed) const;
    /// `drawn` and then the user's --set arguments.
    std::vector<std::string> overrides(const std::vector<std::string>& drawn) const;
    /// The scenario that `seed` has drawn. Throws std::invalid_argument if it does not load: two places may not go
    /// together.
    Scenario load(std::uint64_t seed, const std::vector<std::string>& drawn) const;
    /// What a run that `seed` has drawn came to grief by, in words.
    static std::string problem(std::uint64_t seed, const std::vector<std::string>& drawn, const std::string& what);
    /// What is varied, in a few words.
    std::string text() const;

private:
    Swarm(const ScenarioLoader& loader, const Scenario& scenario, const std::vector<std::string>& overrides)
        : loader_(&loader), file_(scenario.file), text_(scenario.text), overrides_(overrides) {}

    const ScenarioLoader* loader_;
    std::string file_;
    std::string text_;
    std::vector<std::string> overrides_;
    std::vector<SwarmEntry> entries_;
};

}  // namespace ticklab::lab
