// The variants of a scenario that a comparison runs: every combination of the values of every --vary.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/lab/input_error.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {

/// Most variants of one comparison.
inline constexpr std::size_t kMaxVariants = 256;

/// One --vary: a place in the scenario and what stands there in turn. Both as they are written.
struct Axis {
    std::string path;
    std::vector<std::string> values;
};

/// "PATH=V1,V2,...": commas in quotes, brackets and braces belong to the value.
Parsed<Axis> parse_axis(std::string_view argument);

struct Variant {
    std::vector<std::string> values;     ///< an axis
    std::vector<std::string> overrides;  ///< "PATH=VALUE" an axis
    Scenario scenario;

    /// The values as a heading.
    std::string name() const;
};

/// Loads `file` once for each combination, the last axis fastest, after the --set arguments `overrides`. Nothing, and
/// at least one more error, if anything is wrong.
std::vector<Variant> load_variants(const ScenarioLoader& loader, const std::string& file,
                                   const std::vector<std::string>& overrides, std::span<const Axis> axes,
                                   std::vector<InputError>& errors);

}  // namespace ticklab::lab
