#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ticklab/lab/bundle/bundle.hpp"
#include "ticklab/lab/cli/command.hpp"
#include "ticklab/lab/cli/scenario_options.hpp"
#include "ticklab/lab/registry.hpp"

namespace ticklab::lab {
namespace {

struct ReplayOptions {
    std::string file;
    bool json = false;
};

/// Finds the instants of the first and the last record of one link of the chain.
class LinkSpan final : public sim::RecordConsumer {
public:
    explicit LinkSpan(std::size_t link) : first_(link * sim::RecordStream::kChunkRecords) {}

    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch) {
            if (record.kind->digest_class != sim::DigestClass::kBase)
                continue;
            if (seen_ == first_)
                from_ = record.at;
            if (seen_ >= first_ && seen_ < first_ + sim::RecordStream::kChunkRecords)
                to_ = record.at;
            ++seen_;
        }
    }
    sim::Time from() const { return from_; }
    sim::Time to() const { return to_; }

private:
    std::uint64_t first_;
    std::uint64_t seen_ = 0;
    sim::Time from_ = sim::kNever;
    sim::Time to_ = sim::kNever;
};

std::size_t equal_links(const RunOutcome& a, const RunOutcome& b) {
    const auto at = std::mismatch(a.chain.begin(), a.chain.end(), b.chain.begin(), b.chain.end());
    return static_cast<std::size_t>(at.first - a.chain.begin());
}

std::string told(const RunOutcome& outcome) {
    return fmt::format("{} at {}{}, {} records, digest {}", outcome.check.empty() ? "no failure" : outcome.check,
                       show(outcome.at), outcome.cpu == sim::kNoCpu ? "" : fmt::format(" on CPU {}", outcome.cpu),
                       outcome.records, outcome.digest);
}

void tell_difference(const Bundle& bundle, const Scenario& scenario, const RunOutcome& now) {
    const std::size_t link = equal_links(bundle.outcome, now);
    LinkSpan span(link);
    ExperimentOptions options = replay_options(bundle);
    options.consumers.push_back(&span);
    Experiment again(scenario, options);
    again.run();
    const std::size_t first = link * sim::RecordStream::kChunkRecords;
    fmt::print("differs\n  bundle: {}\n  now:    {}\n", told(bundle.outcome), told(now));
    if (bundle.outcome.message != now.message)
        fmt::print("  bundle says: {}\n  now says:    {}\n", bundle.outcome.message, now.message);
    if (bundle.outcome.digest != now.digest || bundle.outcome.chain != now.chain)
        fmt::print("  the same up to record {}; the first difference is among records {} to {}, here {} to {}\n", first,
                   first + 1, first + sim::RecordStream::kChunkRecords, show(span.from()), show(span.to()));
    if (bundle.version != TICKLAB_VERSION)
        fmt::print("  the bundle is of ticklab {}, this is {}\n", bundle.version, TICKLAB_VERSION);
    if (const RunOutcome twice = outcome_of(again, bundle.expectations); twice != now)
        fmt::print("  a second run differs from the first: {}\n", told(twice));
}

nlohmann::ordered_json outcome_json(const RunOutcome& outcome) {
    return {{"check", outcome.check},
            {"message", outcome.message},
            {"at_ns", sim::ns_floor(outcome.at)},
            {"cpu", outcome.cpu == sim::kNoCpu ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(outcome.cpu)},
            {"records", outcome.records},
            {"digest", outcome.digest}};
}

ExitCode replay(const ReplayOptions& options) {
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
    try {
        Experiment experiment(*scenario, replay_options(*bundle));
        experiment.run();
        const RunOutcome now = outcome_of(experiment, bundle->expectations);
        const bool same = now == bundle->outcome;
        const std::size_t unreached = experiment.decision_player()->unreached();
        if (options.json) {
            fmt::print("{}\n", nlohmann::ordered_json{{"same", same},
                                                      {"equal_links", equal_links(bundle->outcome, now)},
                                                      {"decisions", bundle->decisions.size()},
                                                      {"unreached", unreached},
                                                      {"bundle", outcome_json(bundle->outcome)},
                                                      {"now", outcome_json(now)}}
                                   .dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
        } else if (same) {
            fmt::print("the same: {}\n  {}\n", told(now), now.message);
        } else {
            tell_difference(*bundle, *scenario, now);
            if (unreached != 0)
                fmt::print("  {} of {} decisions were not reached\n", unreached, bundle->decisions.size());
        }
        if (!same)
            return ExitCode::kNondeterminism;
        return now.check.empty() ? ExitCode::kFine : ExitCode::kFailed;
    } catch (const std::invalid_argument& e) {
        return refuse(options.file, e.what());
    }
}

}  // namespace

Command replay_command() {
    const auto options = std::make_shared<ReplayOptions>();
    return {"replay", "Does the run of a bundle again, and says whether it is the same.",
            [options](CLI::App& app) {
                app.add_option("BUNDLE", options->file, "Bundle that a hunt wrote, or - for the standard input")
                    ->type_name("FILE")
                    ->required();
                app.add_flag("--json", options->json, "Print one JSON document");
                app.footer(
                    "\nExit code 1 if the failure came back, record for record; 4 if anything differs.\n"
                    "\nExamples:\n  ticklab replay found/seed-17.json");
            },
            [options] { return replay(*options); }};
}

}  // namespace ticklab::lab
