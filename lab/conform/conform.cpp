#include "ticklab/lab/conform/conform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <utility>

#include "ticklab/model/linux/changes.hpp"
#include "ticklab/model/linux/tmigr/geometry.hpp"
#include "ticklab/sim/change_set.hpp"

namespace ticklab::lab {
namespace {

using Version = std::pair<unsigned, unsigned>;

/// Stable releases were given fixes that came after the release that they began with (TMM 16).
struct StableFixes {
    std::string_view version;
    std::array<std::string_view, 4> ids;
};
/// As of 6.12.107: its first root counts two children and has mask 1.
constexpr std::array kStableFixes{StableFixes{"6.12", {"TMIGR-09", "TMIGR-10", "TMIGR-11", "TMM 9.6"}}};

/// "6.12" of "6.12.107+deb13"; nothing if it does not begin with two numbers.
std::optional<Version> version_of(std::string_view text) {
    Version v;
    const char* const end = text.data() + text.size();
    const auto major = std::from_chars(text.data(), end, v.first);
    if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.')
        return std::nullopt;
    const auto minor = std::from_chars(major.ptr + 1, end, v.second);
    return minor.ec == std::errc() ? std::optional(v) : std::nullopt;
}

std::string shape_of(const Recording& recording) {
    const auto g = linux_::tmigr::Geometry::of(recording.cpu_count, recording.node_count, recording.children);
    return fmt::format("Timer migration: {} hierarchy levels; {} children per group; {} crossnode level", g.levels(),
                       g.children, g.crossnode());
}

std::string key_of(const std::string& field) { return field.substr(0, field.find('=')); }

std::vector<std::string> differing_fields(const Mismatch& m) {
    std::vector<std::string> keys;
    if (m.modelled && m.modelled->name == m.recorded.name)
        for (std::size_t i = 0; i < m.recorded.fields.size(); ++i)
            if (m.recorded.fields[i] != m.modelled->fields[i])
                keys.push_back(key_of(m.recorded.fields[i]));
    return keys;
}

/// The instants that events of a part before a line have queued: first timers of CPUs.
class QueuedInstants {
public:
    explicit QueuedInstants(const std::vector<FtraceEvent>& part) : part_(part) {}

    /// Whether every differing value of `m` is one of them. Lines ascend from call to call.
    bool have(const Mismatch& m) {
        read_to(m.line);
        if (!m.modelled || m.modelled->name != m.recorded.name)
            return true;
        for (std::size_t i = 0; i < m.recorded.fields.size(); ++i) {
            const std::string& field = m.recorded.fields[i];
            const std::string value = field.substr(field.find('=') + 1);
            if (field != m.modelled->fields[i] && is_instant(key_of(field)) && !seen_.contains(value))
                return false;
        }
        return true;
    }
    static bool is_instant(std::string_view key) {
        return key == "nextevt" || key == "next_expiry" || key == "child_evt_expiry" || key == "wakeup";
    }

private:
    void read_to(std::size_t line) {
        for (; next_ < part_.size() && part_[next_].line < line; ++next_)
            if (const FtraceEvent& e = part_[next_]; e.is("tmigr_cpu_idle") || e.is("tmigr_cpu_new_timer_idle") ||
                                                     (e.is("tmigr_update_events") && e.number("child", 16) == 0))
                seen_.insert(e.text("nextevt"));
    }

    const std::vector<FtraceEvent>& part_;
    std::size_t next_ = 0;
    /// Never itself is no instant that would have to be queued.
    std::set<std::string, std::less<>> seen_{std::to_string(INT64_MAX), "0"};
};

MismatchReason reason_of(const Mismatch& m, const std::vector<std::string>& fields, bool names_queued, bool follows) {
    const bool times_only = std::all_of(fields.begin(), fields.end(), QueuedInstants::is_instant);
    if (!fields.empty() && times_only && m.inferred)
        return MismatchReason::kInferred;
    if (!fields.empty() && times_only && !names_queued)
        return MismatchReason::kUnseen;
    if (follows)
        return MismatchReason::kFollows;
    if (m.overlapped)
        return MismatchReason::kOverlap;
    return fields.empty() || times_only ? MismatchReason::kUnknown : MismatchReason::kOrder;
}

std::vector<MismatchKind> kinds_of(const std::vector<FtraceEvent>& part, std::int64_t tick_ns,
                                   const ReplayResult& result) {
    std::vector<MismatchKind> kinds;
    QueuedInstants queued(part);
    std::vector<const Mismatch*> by_line;
    for (const Mismatch& m : result.mismatches)
        by_line.push_back(&m);
    std::stable_sort(by_line.begin(), by_line.end(), [](const auto* a, const auto* b) { return a->line < b->line; });
    const Mismatch* before = nullptr;
    std::size_t root = 0;
    for (const Mismatch* m : by_line) {
        std::vector<std::string> fields = differing_fields(*m);
        const bool follows = before && m->at_ns - before->at_ns <= kFollowTicks * tick_ns;
        const MismatchReason reason = reason_of(*m, fields, queued.have(*m), follows);
        before = m;
        if (reason != MismatchReason::kFollows)
            root = m->line;
        auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const MismatchKind& k) {
            return k.reason == reason && k.event == m->recorded.name && k.fields == fields;
        });
        if (kind == kinds.end())
            kind = kinds.insert(kinds.end(), MismatchKind{reason, m->recorded.name, std::move(fields), {}});
        kind->mismatches.push_back({m, root});
    }
    std::stable_sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.reason < b.reason; });
    return kinds;
}

std::string percent(std::size_t part, std::size_t whole) {
    // Rounded down: 100 % is said of nothing that is less.
    const std::size_t thousandths = whole == 0 ? 100'000 : part * 100'000 / whole;
    return fmt::format("{}.{:03} %", thousandths / 1000, thousandths % 1000);
}

std::string text_of(const Mismatch& m) {
    return fmt::format("    line {}, [{:03}] {}.{:06}: {}\n      the model: {}\n", m.line, m.cpu,
                       m.at_ns / 1'000'000'000, m.at_ns % 1'000'000'000 / 1000, m.recorded.text(),
                       m.modelled ? m.modelled->text() : "nothing more");
}

std::string_view word_of(MismatchReason reason) { return kMismatchReasonTexts[static_cast<std::size_t>(reason)].word; }

std::string text_of(const MismatchKind& kind) {
    std::string text = fmt::format("  {}: {} {} differ: {}\n", word_of(kind.reason), kind.mismatches.size(), kind.event,
                                   kind.fields.empty() ? "another event, or none" : joined(kind.fields, ", "));
    for (const ExplainedMismatch& m :
         std::span(kind.mismatches).first(std::min(kind.mismatches.size(), kShownMismatches)))
        text += text_of(*m.mismatch);
    if (kind.mismatches.size() > kShownMismatches)
        text += fmt::format("    and {} more\n", kind.mismatches.size() - kShownMismatches);
    return text;
}

std::string text_of(const ConformPart& part) {
    const ReplayResult& r = part.result;
    std::string text = fmt::format("{}: {} of {} events match ({})\n", part.name, r.matched(), r.count(),
                                   percent(r.matched(), r.count()));
    for (const auto& [name, count] : r.events)
        text += fmt::format("  {:<30}{:>8} of {:>8}\n", name, count.second, count.first);
    if (r.count() != 0)
        text += fmt::format(
            "  inferred: {} times jiffies before the last tick edge, {} next events from the wheel's timers, {} acts "
            "before others that are recorded before them; {} in no order find what they show\n",
            r.inferred.older_jiffies, r.inferred.next_events, r.inferred.reordered, r.inferred.unsettled);
    for (const MismatchReasonText& t : kMismatchReasonTexts) {
        std::size_t count = 0;
        for (const MismatchKind& kind : part.kinds)
            count += kind.reason == t.reason ? kind.mismatches.size() : 0;
        if (count != 0)
            text += fmt::format("  {} {}: {}\n", count, t.word, t.meaning);
    }
    for (const MismatchKind& kind : part.kinds)
        text += text_of(kind);
    if (!r.stopped.empty())
        text += fmt::format("  the model stopped: {}\n", r.stopped);
    return text;
}

}  // namespace

ConformModel model_of(const Recording& recording, const std::string& kernel, std::vector<std::string> with,
                      std::vector<std::string> without) {
    const std::string& wanted = kernel.empty() ? recording.release : kernel;
    const std::optional<Version> version = version_of(wanted);
    if (!version)
        throw std::invalid_argument(wanted.empty()
                                        ? "the recording does not say its kernel, expected --kernel VERSION"
                                        : found_expected(in_quotes(wanted), "a kernel version such as 6.12"));
    ConformModel model;
    for (const std::string_view known : linux_::kLinuxVersions)
        if (*version_of(known) <= *version)
            model.settings.version = known;
    if (model.settings.version.empty())
        throw std::invalid_argument(found_expected(
            in_quotes(wanted), fmt::format("{} or later: earlier ones have no hierarchy", linux_::kLinuxVersions[0])));
    if (kernel.empty())
        for (const StableFixes& fixes : kStableFixes)
            if (fixes.version == model.settings.version)
                for (const std::string_view id : fixes.ids)
                    if (std::find(without.begin(), without.end(), id) == without.end())
                        model.stable_fixes.emplace_back(id);
    model.settings.with = model.stable_fixes;
    model.settings.with.insert(model.settings.with.end(), with.begin(), with.end());
    model.settings.without = std::move(without);
    model.changes = sim::flags_in_force(linux_::tmigr::kTmigrChanges, linux_::kLinuxVersions, model.settings);
    return model;
}

bool ConformReport::matches() const {
    return shape_matches() && std::all_of(parts.begin(), parts.end(), [](const ConformPart& part) {
               return part.result.mismatches.empty() && part.result.stopped.empty();
           });
}

ConformReport conform(const Recording& recording, const ConformModel& model) {
    ConformReport report;
    report.file = recording.file;
    report.release = recording.release;
    report.model = model;
    report.cpu_count = recording.cpu_count;
    report.node_count = recording.node_count;
    report.tick_ns = recording.tick_ns;
    report.recorded_shape = recording.levels_message;
    report.modelled_shape = shape_of(recording);
    Replay replay(recording, model.changes);
    report.parts.push_back({"boot", replay.boot(), {}});
    if (!recording.trace.empty() && report.parts.front().result.stopped.empty())
        report.parts.push_back({"trace", replay.trace(), {}});
    for (ConformPart& part : report.parts)
        part.kinds =
            kinds_of(&part == &report.parts.front() ? recording.boot : recording.trace, recording.tick_ns, part.result);
    return report;
}

std::string text_of(const ConformReport& report) {
    std::string text = fmt::format("{}: {}, {} CPUs on {} {}, a tick of {} us\n", report.file,
                                   report.release.empty() ? "unknown release" : report.release, report.cpu_count,
                                   report.node_count, report.node_count == 1 ? "node" : "nodes", report.tick_ns / 1000);
    text += fmt::format(
        "model: Linux {}{}{}\n", report.model.settings.version,
        report.model.settings.with.empty() ? "" : ", with " + joined(report.model.settings.with, ", "),
        report.model.settings.without.empty() ? "" : ", without " + joined(report.model.settings.without, ", "));
    if (report.shape_matches())
        text +=
            fmt::format("shape: {}{}\n", report.modelled_shape, report.recorded_shape.empty() ? " (not recorded)" : "");
    else
        text += fmt::format("shape: {}\n  the model: {}\n", report.recorded_shape, report.modelled_shape);
    for (const ConformPart& part : report.parts)
        text += text_of(part);
    return text;
}

nlohmann::ordered_json json_of(const ConformReport& report) {
    nlohmann::ordered_json parts = nlohmann::ordered_json::array();
    for (const ConformPart& part : report.parts) {
        nlohmann::ordered_json events = nlohmann::ordered_json::object(), kinds = nlohmann::ordered_json::array();
        for (const auto& [name, count] : part.result.events)
            events[name] = {{"events", count.first}, {"matched", count.second}};
        for (const MismatchKind& kind : part.kinds) {
            nlohmann::ordered_json places = nlohmann::ordered_json::array();
            for (const auto& [m, root] : kind.mismatches)
                places.push_back({{"line", m->line},
                                  {"root", root},
                                  {"cpu", m->cpu},
                                  {"at_ns", m->at_ns},
                                  {"recorded", m->recorded.text()},
                                  {"modelled", m->modelled ? nlohmann::ordered_json(m->modelled->text()) : nullptr}});
            kinds.push_back({{"reason", word_of(kind.reason)},
                             {"event", kind.event},
                             {"fields", kind.fields},
                             {"mismatches", std::move(places)}});
        }
        parts.push_back({{"part", part.name},
                         {"events", part.result.count()},
                         {"matched", part.result.matched()},
                         {"by_event", std::move(events)},
                         {"inferred",
                          {{"older_jiffies", part.result.inferred.older_jiffies},
                           {"next_events", part.result.inferred.next_events},
                           {"reordered", part.result.inferred.reordered},
                           {"unsettled", part.result.inferred.unsettled}}},
                         {"mismatch_kinds", std::move(kinds)},
                         {"stopped", part.result.stopped}});
    }
    return {{"file", report.file},
            {"release", report.release},
            {"model",
             {{"version", report.model.settings.version},
              {"with", report.model.settings.with},
              {"without", report.model.settings.without}}},
            {"cpus", report.cpu_count},
            {"nodes", report.node_count},
            {"tick_ns", report.tick_ns},
            {"shape", {{"recorded", report.recorded_shape}, {"modelled", report.modelled_shape}}},
            {"matches", report.matches()},
            {"parts", std::move(parts)}};
}

}  // namespace ticklab::lab
