// A failure to keep and to hand on: one file with all that its run depends on, and what came of it.
//
// Rules
//  - The scenario in it stands on its own (lab/bundle/inlined.hpp); with the seed and the decisions it is the run.
//    Whatever found the failure, seed or schedule, its stalls and ties are in the list of decisions.
//  - A bundle is made by doing the run again, twice: with its decisions recorded, then with these played back. One that
//    would not replay is never written.
//  - Whoever reads one checks it against bundle_schema() and the scenario in it like any other.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/bundle/decision_list.hpp"
#include "ticklab/lab/bundle/inlined.hpp"
#include "ticklab/lab/bundle/record_context.hpp"
#include "ticklab/lab/bundle/record_marks.hpp"
#include "ticklab/lab/hunt/hunt.hpp"
#include "ticklab/lab/input_error.hpp"
#include "ticklab/lab/json_source.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

inline constexpr std::int64_t kBundleFormat = 1;

/// What came of a run, as far as a bundle keeps it.
struct RunOutcome {
    std::string check;  ///< name of the check, MuseumEntry::kExpectationFails, or empty if nothing failed
    std::string message;
    sim::Time at = sim::kBoot;
    sim::CpuId cpu = sim::kNoCpu;
    std::uint64_t records = 0;
    std::string digest;
    std::vector<std::string> chain;  ///< after each full chunk of records (sim::RecordStream)
    std::vector<std::string> marks;  ///< of each record (RecordMarks)
    friend bool operator==(const RunOutcome&, const RunOutcome&) = default;
};

/// Full links of the digest chain that two runs have in common from the first on.
std::size_t equal_links(const RunOutcome& a, const RunOutcome& b);

struct Bundle {
    std::string version;                 ///< of the ticklab that wrote it
    std::string scenario_file;           ///< as it was named then
    std::string scenario_hash;           ///< of the text that the run was loaded from
    std::vector<std::string> overrides;  ///< --set, already part of `scenario`
    nlohmann::json scenario;
    std::uint64_t seed = 1;
    bool expectations = false;  ///< missed expectations are failures
    unsigned looks = 1;         ///< at the structures (ExperimentOptions)
    DecisionList decisions;
    RunOutcome outcome;
    /// Of one record, for who compares the run with that of another build.
    std::optional<RecordContext> near;
};

/// Does the run of `failure` again and keeps it. Throws UnrepeatableRun with the reason if it does not come back.
Bundle make_bundle(const ScenarioLoader& loader, const Scenario& scenario, const std::vector<std::string>& overrides,
                   const HuntFailure& failure, bool expectations);

/// Keeps the run of a scenario that these decisions and that disturbance make. Throws UnrepeatableRun with the reason
/// if it does not come back.
Bundle bundle_of(const ScenarioLoader& loader, const Scenario& scenario, std::uint64_t seed, unsigned looks,
                 const Disturbance& disturbance, const DecisionList& decisions);

/// Keeps the run of a scenario loaded with these --set arguments under seed, looks, and schedule or decisions of
/// `options`, whatever comes of it. Throws UnrepeatableRun with the reason if it does not come back.
Bundle bundle_of_run(const ScenarioLoader& loader, const Scenario& scenario, const std::vector<std::string>& overrides,
                     const ExperimentOptions& options, bool expectations);

nlohmann::ordered_json bundle_schema();
/// As a bundle has it.
nlohmann::ordered_json to_json(const RecordContext& context);
nlohmann::ordered_json to_json(const Bundle& bundle);
/// Nothing, and at least one more error, if the file cannot be read or is no bundle.
std::optional<Bundle> read_bundle(const std::string& file, std::vector<InputError>& errors);
/// The same for a document that has been read.
std::optional<Bundle> read_bundle(const JsonSource& source, std::vector<InputError>& errors);
/// Whether a document means to be a bundle, right or wrong.
bool looks_like_bundle(const JsonSource& source);
/// The scenario in a bundle that was read from `file`; nothing, and at least one more error, if it does not load or the
/// decisions are none of its machine.
std::optional<Scenario> load_scenario(const ScenarioLoader& loader, const Bundle& bundle, const std::string& file,
                                      std::vector<InputError>& errors);

/// The run of a bundle whose scenario has been loaded; its decisions are played back.
ExperimentOptions replay_options(const Bundle& bundle);
/// Of a finished run whose records were marked.
RunOutcome outcome_of(Experiment& experiment, const RecordMarks& marks, bool expectations);
/// Runs the scenario of a bundle and says what comes of it; what is decided goes to `recorded` if the options ask for
/// it.
RunOutcome run_bundle(const Bundle& bundle, const Scenario& scenario, ExperimentOptions options,
                      DecisionList* recorded = nullptr);

}  // namespace ticklab::lab
