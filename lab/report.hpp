// What a run has to say for itself: as text for people, as JSON for machines.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/exit_code.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/why/tell.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab {

/// A finished run as plain data. All spans in picoseconds, so that nothing depends on rounding.
struct RunReport {
    struct Timer {
        std::string name;
        TimerFigures figures;
        std::vector<ToldPart> parts;  ///< of its worst lateness
    };
    struct Lock {
        std::string name;
        sim::LockCounters counters;
    };

    /// A record after which a loss was inevitable.
    struct Step {
        sim::Time at = sim::kBoot;
        sim::CpuId cpu = sim::kNoCpu;
        sim::RecordId record;
        std::string what;  ///< "CPU 1: a CPU decided to sleep: state C8"
    };
    /// Of a timer that the verdict says is lost. A step is none where it is older than the records that were kept.
    struct LostTimer {
        std::string timer;
        sim::CpuId owner = sim::kNoCpu;
        bool of_all_cpus = false;
        std::optional<Step> step;
        std::optional<Step> owner_step;
    };

    std::string scenario, file, hash, kernel, kernel_version, version;
    std::uint64_t seed = 0;
    sim::CpuId cpu_count = 0;
    sim::Digest digest;
    std::size_t chain_length = 0;
    std::uint64_t records = 0;
    std::uint64_t steps = 0;
    sim::Time reached = sim::kBoot;
    sim::RunEnd end = sim::RunEnd::kTime;
    std::uint64_t wall_ns = 0;
    bool observed = false;
    TimerCounters timers;
    Histogram lateness_ps;
    std::vector<Timer> worst;  ///< of the timers that fired, the latest first, at most kWorstTimers
    std::vector<std::string> c_states;
    std::vector<sim::CpuCounters> cpus;
    std::vector<Lock> locks;  ///< those that were taken; the most waited for first
    std::uint64_t energy_nj = 0;
    std::optional<sim::Verdict> verdict;
    bool verdict_expected = false;
    std::optional<LostTimer> lost;
    std::vector<ExpectationResult> expectations;
    std::string replay;  ///< a command line that does the same again

    static constexpr std::size_t kWorstTimers = Experiment::kWorstTimers;
};

/// Gathers it. `replay` are the arguments after `ticklab run` that are not default.
RunReport report_of(Experiment& experiment, std::uint64_t wall_ns, std::string replay);

/// A span in at most eight columns: three digits after the point at most, rounded down.
std::string brief(sim::Duration d);

/// Ends with a line break. At most 100 columns, but for names and messages.
std::string text_report(const RunReport& report, bool colour);
nlohmann::ordered_json json_report(const RunReport& report);

/// The class of outcome of one run (DESIGN 6).
ExitCode exit_code_of(const RunReport& report);
/// The one that stands for all (MA 14.2).
ExitCode worst_exit_code(std::span<const ExitCode> codes);

/// 16 hexadecimal digits that identify the text of a scenario.
std::string scenario_hash(const std::string& text);
/// The argument as a POSIX shell reads it back.
std::string shell_quoted(const std::string& argument);

}  // namespace ticklab::lab
