#include "ticklab/lab/bundle/replay.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/document_text.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;

struct ReplayOptions {
    std::string file;
    bool json = false;
};

std::string told(const RunOutcome& outcome) {
    return fmt::format("{}{}{}, {} records, digest {}", outcome.check.empty() ? "no failure" : outcome.check,
                       outcome.check.empty() ? "" : fmt::format(" at {}", show(outcome.at)),
                       outcome.cpu == sim::kNoCpu ? "" : fmt::format(" on CPU {}", outcome.cpu), outcome.records,
                       outcome.digest);
}

std::string record_text(const RecordDifference& record, const RunOutcome& kept, const RunOutcome& now) {
    if (record.what.empty())
        return fmt::format("the same up to record {}, where the run ends here; the bundle has {}", now.records,
                           kept.records);
    if (!record.kept)
        return fmt::format("the same up to record {}, where the bundle's run ends; here comes, at {}, {}", kept.records,
                           show(record.at), record.what);
    return fmt::format("record {} is the first that differs; here it is, at {}, {}", record.number, show(record.at),
                       record.what);
}

std::string link_text(const LinkDifference& link) {
    if (link.last_record < link.first_record)
        return fmt::format(
            "link {} of the digest chain is the first that differs: from record {} on, which the run "
            "does not come to here",
            link.number, link.first_record);
    return fmt::format("link {} of the digest chain is the first that differs: records {} to {}, here {} to {}",
                       link.number, link.first_record, link.last_record, show(link.from), show(link.to));
}

void tell_difference(const Bundle& bundle, const BundleReplay& replay) {
    fmt::print("differs\n  bundle: {}\n  now:    {}\n", told(bundle.outcome), told(replay.now));
    if (bundle.outcome.message != replay.now.message)
        for (const auto& [who, message] :
             {std::pair{"bundle says:", bundle.outcome.message}, std::pair{"now says:   ", replay.now.message}})
            if (!message.empty())
                fmt::print("  {} {}\n", who, message);
    if (replay.record)
        fmt::print("  {}\n", record_text(*replay.record, bundle.outcome, replay.now));
    if (replay.link)
        fmt::print("  {}\n", link_text(*replay.link));
    if (replay.unreached != 0)
        fmt::print("  {} of {} decisions were not reached\n", replay.unreached, bundle.decisions.size());
    if (replay.beyond != 0)
        fmt::print("  {} of the ties had fewer activities due than the bundle says\n", replay.beyond);
    if (bundle.version != TICKLAB_VERSION)
        fmt::print("  the bundle is of ticklab {}, this is {}\n", bundle.version, TICKLAB_VERSION);
    fmt::print("  a second run here {} the first\n", replay.repeats ? "is as" : "differs from");
}

Json outcome_json(const RunOutcome& outcome) {
    return {{"check", outcome.check.empty() ? Json(nullptr) : Json(outcome.check)},
            {"message", outcome.message},
            {"at_ns", sim::ns_floor(outcome.at)},
            {"cpu", outcome.cpu == sim::kNoCpu ? Json(nullptr) : Json(outcome.cpu)},
            {"records", outcome.records},
            {"digest", outcome.digest}};
}

Json instant_json(sim::Time at) { return at == sim::kNever ? Json(nullptr) : Json(sim::ns_floor(at)); }

Json replay_json(const Bundle& bundle, const BundleReplay& replay) {
    Json record = nullptr, link = nullptr;
    if (replay.record)
        record = {{"number", replay.record->number},
                  {"at_ns", instant_json(replay.record->at)},
                  {"here", replay.record->what.empty() ? Json(nullptr) : Json(replay.record->what)}};
    if (replay.link)
        link = {{"number", replay.link->number},
                {"first_record", replay.link->first_record},
                {"from_ns", instant_json(replay.link->from)},
                {"to_ns", instant_json(replay.link->to)}};
    return {{"same", replay.same},
            {"bundle", outcome_json(bundle.outcome)},
            {"now", outcome_json(replay.now)},
            {"bundle_version", bundle.version},
            {"version", TICKLAB_VERSION},
            {"first_record_that_differs", std::move(record)},
            {"first_link_that_differs", std::move(link)},
            {"decisions", bundle.decisions.size()},
            {"unreached", replay.unreached},
            {"ties_beyond", replay.beyond},
            {"repeats", replay.repeats}};
}

ExitCode replay_of(const ReplayOptions& options) {
    std::vector<InputError> errors;
    const std::optional<Bundle> bundle = read_bundle(options.file, errors);
    std::optional<Scenario> scenario;
    if (bundle)
        scenario = load_scenario(ScenarioLoader(program_registry()), *bundle, options.file, errors);
    if (!scenario) {
        print_errors(errors);
        return ExitCode::kBadInput;
    }
    fmt::print(stderr, "ticklab: {}: seed {}, {} decision{}\n", scenario->name, bundle->seed, bundle->decisions.size(),
               bundle->decisions.size() == 1 ? "" : "s");
    BundleReplay replay;
    try {
        replay = replay_bundle(*bundle, *scenario);
    } catch (const std::invalid_argument& e) {
        return refuse(options.file, e.what());
    }
    // A run that was the same cannot have had such an answer.
    if (replay.same && replay.beyond != 0)
        return refuse(options.file,
                      "/decisions/ties: " +
                          found_expected(fmt::format("answers out of range at {} of the run's ties", replay.beyond),
                                         "each less than the activities that are due there"));
    if (options.json)
        fmt::print("{}", document_text(replay_json(*bundle, replay)));
    else if (replay.same)
        fmt::print("the same: {}\n  {}\n", told(replay.now), replay.now.message);
    else
        tell_difference(*bundle, replay);
    if (!replay.same)
        return ExitCode::kNondeterminism;
    return replay.now.check.empty() ? ExitCode::kFine : ExitCode::kFailed;
}

}  // namespace

Command replay_command() {
    const auto options = std::make_shared<ReplayOptions>();
    return {"replay", "Does the run of a bundle again, and says whether it is the same, or what differs.",
            [options](CLI::App& app) {
                app.add_option("BUNDLE", options->file, "Bundle that hunt or shrink wrote, or - for the standard input")
                    ->type_name("FILE")
                    ->required();
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExit code 1 if the failure came back, record for record; 4 if anything differs.\n"
                    "\nExamples:\n  ticklab replay found/random-seed-17.json\n"
                    "  ticklab run found/random-seed-17.json --timeline timeline.json");
            },
            [options] { return replay_of(*options); }};
}

}  // namespace ticklab::lab
