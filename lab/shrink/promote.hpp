// A shrunk case as a scenario of its own: no list, no disturbance, every delay a step of the script.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/shrink/shrink.hpp"

namespace ticklab::lab {

/// A delay as the scenario has it, and what it takes.
struct ScriptedDelay {
    std::string place;                  ///< in words: where it is
    sim::Duration least{};              ///< in whole ns; with one ns less the check does not fail
    std::optional<sim::Duration> most;  ///< the same upwards; none if it fails with the longest that is tried
    sim::Duration written{};            ///< what the scenario has: a round span between the two, if one fails
};

struct Promotion {
    nlohmann::ordered_json scenario;  ///< expects the verdict; members in the order in which one reads
    std::vector<ScriptedDelay> delays;
    /// The seed under which it fails: 1, which every run has by default, if that does.
    std::uint64_t seed = 1;
    std::uint64_t runs = 0;
};

/// Says each delay by a hold at a site after or before it, else by a stall at its instant. Nothing if no such scenario
/// fails by the check: a tie cannot be said, nor which answers the seed gave under the list.
std::optional<Promotion> promote(const CaseRunner& runner, const Shrunk& shrunk, const std::vector<Delay>& delays);

/// "for 120ns to 187ns", "from 120ns on"
std::string span_text(const ScriptedDelay& delay);
/// A member a line, and a line for each entry of a list of objects: as scenarios are written.
std::string scenario_text(const nlohmann::ordered_json& scenario);
/// "xen.drain.before_lock (2nd time)"
std::string place_text(const SiteVisit& visit);

}  // namespace ticklab::lab
