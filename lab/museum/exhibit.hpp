// A scenario with a "museum" member, as it stands and without the change that it is about.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/input_error.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

/// What becomes of the delays that a script has at places where a race needs them.
enum class ScriptedDelays : std::uint8_t {
    kKept,
    kLeftOut,  ///< no cpu.hold, cpu.release or cpu.stall, in the script or among the faults
};

struct Exhibit {
    std::string file;
    MuseumEntry entry;
    Scenario fixed;
    Scenario broken;                 ///< without the change
    nlohmann::json broken_document;  ///< that `broken` was loaded from

    /// Whether no check sees what is wrong: an expectation is missed, exact as a rule.
    bool misses_expectation() const { return entry.expect == MuseumEntry::kExpectationFails; }
};

/// The file, or the scenarios with a "museum" member in the folder and below it, by name. Adds an error if there are
/// none.
std::vector<std::string> museum_files(const std::string& path, std::vector<InputError>& errors);

/// With the given --set arguments applied in order. Nothing, and at least one more error, if it does not load or has no
/// "museum" member.
std::optional<Exhibit> load_exhibit(const ScenarioLoader& loader, const std::string& file, ScriptedDelays delays,
                                    const std::vector<std::string>& overrides, std::vector<InputError>& errors);

/// Ids of the kernel's changes that none of the exhibits is about, in the order of `ticklab list fixes`.
std::vector<std::string> changes_not_shown(const sim::KernelDecl& kernel, std::span<const Exhibit> exhibits);

}  // namespace ticklab::lab
