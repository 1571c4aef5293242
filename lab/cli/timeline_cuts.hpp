// The options that cut what a run writes: a span, and of a timeline some CPUs and categories (TE 1, Limits).
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/input_error.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/lab/timeline/timeline_writer.hpp"

namespace ticklab::lab {

/// As they were typed.
struct TimelineCuts {
    std::optional<std::string> from, to, cpus, categories;
};

/// Adds --from and --to, which cut whatever a run writes, and --cpu and --cat, which need `timeline`. `cuts` must
/// outlive the parser.
void add_timeline_cuts(CLI::App& app, TimelineCuts& cuts, CLI::Option& timeline);

/// Puts the cuts into `options`. What is wrong with them is added to `errors`, by the name of the option.
/// `end` is the instant at which the run ends at the latest.
void apply_timeline_cuts(const TimelineCuts& cuts, const Registry& registry, sim::Time end, TimelineOptions& options,
                         std::vector<InputError>& errors);

}  // namespace ticklab::lab
