#include "ticklab/lab/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ticklab/sim/choices.hpp"

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;
using sim::Duration;

std::int64_t ns(Duration d) { return std::chrono::floor<sim::Nanoseconds>(d).count(); }

constexpr std::array<std::string_view, 4> kEnds{"time", "verdict", "budget", "stopped"};
constexpr std::array<std::string_view, 3> kOutcomes{"met", "failed", "not reached"};

Json timers_json(const RunReport& r) {
    if (!r.observed)
        return nullptr;
    const Histogram& h = r.lateness_ps;
    const auto p = [&](std::uint64_t per_10000) { return h.percentile(per_10000) / 1000; };
    Json worst = Json::array();
    for (const RunReport::Timer& t : r.worst)
        worst.push_back({{"timer", t.name},
                         {"fired", t.figures.fired},
                         {"late_min_ns", ns(t.figures.late_min)},
                         {"late_max_ns", ns(t.figures.late_max)},
                         {"last_cpu", t.figures.last_cpu},
                         {"late_max_parts", parts_json(t.parts)}});
    Json lateness = nullptr;
    if (h.count() != 0)
        lateness = {{"min", h.min() / 1000}, {"p50", p(5000)},  {"p90", p(9000)},
                    {"p99", p(9900)},        {"p999", p(9990)}, {"max", h.max() / 1000}};
    return {{"armed", r.timers.armed},
            {"fired", r.timers.fired},
            {"cancelled", r.timers.cancelled},
            {"superseded", r.timers.superseded},
            {"lost", r.timers.lost},
            {"early", r.timers.early},
            {"lateness_ns", std::move(lateness)},
            {"worst", std::move(worst)}};
}

Json cpus_json(const RunReport& r) {
    Json cpus = Json::array();
    for (std::size_t c = 0; c < r.cpus.size(); ++c) {
        const sim::CpuCounters& k = r.cpus[c];
        Json residency = Json::object();
        for (std::size_t i = 0; i < r.c_states.size(); ++i)
            residency[r.c_states[i]] = ns(k.residency[i]);
        cpus.push_back({{"cpu", c},
                        {"wakeups", k.wakeups},
                        {"interrupts", k.interrupts},
                        {"nmis", k.nmis},
                        {"idle_entries", k.idle_entries},
                        {"thread_switches", k.thread_switches},
                        {"user_ns", ns(k.user_time)},
                        {"irq_ns", ns(k.irq_time)},
                        {"lock_wait_ns", ns(k.lock_wait)},
                        {"stalled_ns", ns(k.stalled)},
                        {"residency_ns", std::move(residency)}});
    }
    return cpus;
}

Json locks_json(const RunReport& r) {
    Json locks = Json::array();
    for (const RunReport::Lock& l : r.locks)
        locks.push_back({{"name", l.name},
                         {"acquired", l.counters.acquired},
                         {"contended", l.counters.contended},
                         {"wait_total_ns", ns(l.counters.wait_total)},
                         {"wait_max_ns", ns(l.counters.wait_max)},
                         {"held_max_ns", ns(l.counters.held_max)}});
    return locks;
}

Json cpu_number(sim::CpuId cpu) { return cpu == sim::kNoCpu ? Json(nullptr) : Json(cpu); }

Json step_json(const std::optional<RunReport::Step>& step) {
    if (!step)
        return nullptr;
    return {{"at_ns", sim::ns_floor(step->at)},
            {"cpu", cpu_number(step->cpu)},
            {"record", fmt::format("{:#x}", step->record.bits)},
            {"what", step->what}};
}

Json loss_json(const RunReport& r) {
    if (!r.lost)
        return nullptr;
    return {{"timer", r.lost->timer},
            {"inevitable_after", step_json(r.lost->step)},
            {"owner", r.lost->owner},
            {"owner_without_wakeup_after", step_json(r.lost->owner_step)}};
}

std::optional<RunReport::Step> told_step(const std::optional<KeptRecord>& record, const sim::RecordStream& names) {
    if (!record)
        return std::nullopt;
    return RunReport::Step{record->at, record->cpu, record->id,
                           fmt::format("{}: {}", tell_place(*record), tell_record(*record, names))};
}

Json violations_json(const RunReport& r) {
    Json list = Json::array();
    if (!r.verdict)
        return list;
    const sim::Verdict& v = *r.verdict;
    Json cpus = Json::array();
    for (const sim::CpuSnapshot& s : v.cpus)
        cpus.push_back({{"cpu", s.cpu},
                        {"local_time_ns", sim::ns_floor(s.local_time)},
                        {"activity", s.activity},
                        {"thread", s.thread},
                        {"call_chain", s.call_chain},
                        {"held_locks", s.held_locks},
                        {"irqs_enabled", s.irqs_enabled},
                        {"irq_depth", s.irq_depth}});
    list.push_back({{"check", v.check->name},
                    {"sentence", v.check->sentence},
                    {"message", v.message},
                    {"expected", r.verdict_expected},
                    {"at_ns", sim::ns_floor(v.at)},
                    {"cpu", cpu_number(v.cpu)},
                    {"record", fmt::format("{:#x}", v.record.bits)},
                    {"record_number", v.record_number},
                    {"loss", loss_json(r)},
                    {"cpus", std::move(cpus)}});
    return list;
}

}  // namespace

std::string scenario_hash(const std::string& text) { return fmt::format("{:016x}", sim::name_hash(text)); }

std::string shell_quoted(const std::string& argument) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos)
        return argument;
    std::string quoted = "'";
    for (const char c : argument)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + '\'';
}

RunReport report_of(Experiment& experiment, std::uint64_t wall_ns, std::string replay) {
    const Scenario& scenario = experiment.scenario();
    sim::Machine& machine = experiment.machine();
    RunReport r;
    r.scenario = scenario.name;
    r.file = scenario.file;
    r.hash = scenario_hash(scenario.text);
    r.kernel = scenario.kernel->name;
    r.kernel_version = scenario.settings.version;
    r.version = TICKLAB_VERSION;
    r.seed = experiment.options().seed;
    r.cpu_count = machine.cpu_count();
    r.digest = machine.records().digest();
    r.chain_length = machine.records().chain().size();
    r.records = machine.records().committed();
    r.steps = machine.engine().steps();
    r.reached = experiment.reached();
    r.end = experiment.end();
    r.wall_ns = wall_ns;
    if (const Obligations* obligations = experiment.obligations()) {
        r.observed = true;
        r.timers = obligations->counters();
        r.lateness_ps = experiment.lateness_ps();
        std::vector<sim::TimerIndex> fired;
        for (sim::TimerIndex t = 0; t < experiment.timers().size(); ++t)
            if (experiment.timers()[t].fired != 0)
                fired.push_back(t);
        std::stable_sort(fired.begin(), fired.end(), [&](sim::TimerIndex a, sim::TimerIndex b) {
            return experiment.timers()[a].late_max > experiment.timers()[b].late_max;
        });
        fired.resize(std::min(fired.size(), RunReport::kWorstTimers));
        for (const sim::TimerIndex t : fired)
            r.worst.push_back({std::string(experiment.timer_name(t)), experiment.timers()[t],
                               experiment.worst_split(t) ? tell_parts(*experiment.worst_split(t), machine.records())
                                                         : std::vector<ToldPart>{}});
    }
    for (const sim::CState& state : machine.config().c_states)
        r.c_states.push_back(state.name);
    for (sim::CpuId c = 0; c < machine.cpu_count(); ++c) {
        r.cpus.push_back(machine.cpu(c).counters());
        // A sleep that still lasts is in no counter yet.
        for (std::size_t i = 0; i < r.c_states.size(); ++i)
            r.cpus.back().residency[i] = machine.cpu(c).residency(i);
    }
    for (const sim::SpinLock* lock : machine.locks())
        if (lock->counters().acquired != 0)
            r.locks.push_back({std::string(lock->name()), lock->counters()});
    std::stable_sort(r.locks.begin(), r.locks.end(), [](const RunReport::Lock& a, const RunReport::Lock& b) {
        return a.counters.wait_total > b.counters.wait_total;
    });
    r.energy_nj = machine.energy_nj();
    r.verdict = machine.verdict();
    r.verdict_expected = r.verdict && verdict_expected(scenario, *r.verdict);
    if (const std::optional<Loss>& loss = experiment.loss())
        r.lost = RunReport::LostTimer{std::string(experiment.timer_name(loss->timer)), loss->owner, loss->of_all_cpus,
                                      told_step(loss->step(), machine.records()),
                                      told_step(loss->owner_step, machine.records())};
    r.expectations = experiment.expectations();
    r.replay = std::move(replay);
    return r;
}

Json json_report(const RunReport& r) {
    Json expectations = Json::array();
    for (const ExpectationResult& e : r.expectations)
        expectations.push_back({{"what", e.what},
                                {"found", e.found},
                                {"outcome", kOutcomes[static_cast<std::size_t>(e.outcome)]},
                                {"pointer", e.place.pointer},
                                {"line", e.place.line}});
    return {{"digest", r.digest.hex()},
            {"seed", r.seed},
            {"virtual_ns", sim::ns_floor(r.reached)},
            {"events", r.steps},
            {"wall_seconds", static_cast<double>(r.wall_ns) / 1e9},
            {"scenario", r.scenario},
            {"file", r.file},
            {"scenario_hash", r.hash},
            {"kernel", r.kernel},
            {"kernel_version", r.kernel_version},
            {"version", r.version},
            {"record_version", sim::kRecordVersion},
            {"records", r.records},
            {"chain_length", r.chain_length},
            {"end", kEnds[static_cast<std::size_t>(r.end)]},
            {"exit_code", static_cast<int>(exit_code_of(r))},
            {"timers", timers_json(r)},
            {"cpus", cpus_json(r)},
            {"locks", locks_json(r)},
            {"energy", {{"nanojoule", r.energy_nj}}},
            {"violations", violations_json(r)},
            {"expectations", std::move(expectations)},
            {"replay", r.replay}};
}

ExitCode exit_code_of(const RunReport& r) {
    std::vector<ExitCode> codes;
    if (r.verdict && !r.verdict_expected)
        codes.push_back(ExitCode::kFailed);
    for (const ExpectationResult& e : r.expectations)
        if (e.outcome == ExpectationOutcome::kFailed)
            codes.push_back(ExitCode::kFailed);
    if (r.end == sim::RunEnd::kBudget)
        codes.push_back(ExitCode::kInconclusive);
    if (r.end == sim::RunEnd::kStopped)
        codes.push_back(ExitCode::kInterrupted);
    return worst_exit_code(codes);
}

ExitCode worst_exit_code(std::span<const ExitCode> codes) {
    ExitCode worst = ExitCode::kFine;
    for (const ExitCode code : codes)
        worst = graver(worst, code);
    return worst;
}

}  // namespace ticklab::lab
