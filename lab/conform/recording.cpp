#include "ticklab/lab/conform/recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "ticklab/lab/ftrace/ftrace_format.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/model/linux/tmigr/group_state.hpp"
#include "ticklab/model/linux/tmigr/records.hpp"

namespace ticklab::lab {
namespace {

/// A fault of the text: where, and the message.
struct Fault {
    std::size_t line;
    std::string message;
};

/// An event that a recording needs, with its text taken apart.
struct KnownEvent {
    const sim::RecordKind* kind;
    FtraceFormat format;
};

const std::vector<KnownEvent>& known_events() {
    static const std::vector<KnownEvent> known = [] {
        std::vector<KnownEvent> list;
        for (const sim::RecordKind& kind : linux_::tmigr::kTmigrRecordKinds)
            if (!kind.ftrace_format.empty())
                list.push_back({&kind, FtraceFormat::of(kind.ftrace_format)});
        for (const sim::RecordKind* kind : {&linux_::kTimerStartRecord, &linux_::kTimerCancelRecord,
                                            &linux_::kTimerExpireEntryRecord, &linux_::kSoftirqExitRecord})
            list.push_back({kind, FtraceFormat::of(kind->ftrace_format)});
        return list;
    }();
    return known;
}

template <class Number>
bool is_number(std::string_view text, int base) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

/// What would do in place of `value`, if it does not.
std::string_view wanted_instead(std::string_view value, const FtraceField& field, sim::OperandType type) {
    switch (field.conversion) {
        case FtraceConversion::kPointer:
            return is_number<std::uint64_t>(value, 16)
                       ? std::string_view()
                       : "an address: no_hash_pointers on the kernel's command line shows them from early boot on";
        case FtraceConversion::kHex:
            return is_number<std::uint64_t>(value, 16) ? std::string_view() : "a hexadecimal number";
        case FtraceConversion::kDecimal:
            if (type == sim::OperandType::kSigned || type == sim::OperandType::kTimeNs)
                return is_number<std::int64_t>(value, 10) ? std::string_view() : "a number";
            return is_number<std::uint64_t>(value, 10) ? std::string_view() : "a number that is not negative";
        case FtraceConversion::kText:
            break;
    }
    return {};
}

class RecordingReader {
public:
    explicit RecordingReader(const std::string& file) : lines_(file) { recording_.file = file; }

    Recording read() {
        for (std::string line; lines_.next(line);)
            take(line);
        finish();
        return std::move(recording_);
    }

private:
    [[noreturn]] static void refuse(std::size_t line, std::string_view found, std::string_view expected) {
        throw Fault{line, found_expected(found, expected)};
    }

    void take(const std::string& line) {
        constexpr std::string_view kSection = "##### ";
        if (line.starts_with(kSection)) {
            section_ = line.substr(kSection.size(), line.find(' ', kSection.size()) - kSection.size());
            sections_ = true;
        } else if (!sections_ || section_ == "boot_trace" || section_ == "trace") {
            take_trace(line);
        } else {
            take_facts(line);
        }
    }

    void take_facts(const std::string& line) {
        if (section_ == "uname" && line.starts_with("Linux ")) {
            const std::size_t release = line.find(' ', 6);
            if (release != std::string::npos)
                recording_.release = line.substr(release + 1, line.find(' ', release + 1) - release - 1);
        } else if (section_ == "topology" && line.starts_with("ncpus=")) {
            recording_.cpu_count = std::max(recording_.cpu_count, cpu_number(line, 6));
        } else if (section_ == "topology" && line.starts_with("/sys/devices/system/node/node")) {
            ++nodes_;
        } else if (const std::size_t at = line.find("Timer migration: ");
                   section_ == "dmesg" && at != std::string::npos) {
            recording_.levels_message = line.substr(at);
        }
    }

    /// The number of CPUs that stands at `at`.
    sim::CpuId cpu_number(const std::string& line, std::size_t at) const {
        sim::CpuId count = 0;
        std::from_chars(line.data() + at, line.data() + line.size(), count);
        if (count == 0 || count > sim::kMaxCpuCount)
            refuse(lines_.number(), in_quotes(line.substr(at)), "a number of CPUs");
        return count;
    }

    void take_trace(const std::string& line) {
        constexpr std::string_view kCpus = "#P:";
        if (line.find_first_not_of(' ') == std::string::npos || line.starts_with("cpus="))
            return;
        if (line.starts_with("#")) {
            if (const std::size_t at = line.find(kCpus); at != std::string::npos)
                recording_.cpu_count = std::max(recording_.cpu_count, cpu_number(line, at + kCpus.size()));
            return;
        }
        if (line.starts_with("CPU:") && line.find("LOST") != std::string::npos)
            refuse(lines_.number(), in_quotes(line), "a trace without lost events: a larger buffer keeps them");
        std::string_view text;
        std::optional<FtraceEvent> event = read_ftrace_event(line, text);
        if (!event)
            refuse(lines_.number(), in_quotes(line), "TASK-PID [CPU] FLAGS SECONDS: EVENT: ...");
        const auto known = std::find_if(known_events().begin(), known_events().end(),
                                        [&](const KnownEvent& k) { return k.kind->name == event->name; });
        if (known == known_events().end())
            return;
        event->line = lines_.number();
        read_ftrace_fields(text, *event);
        check(*event, *known);
        // Of softirqs the timers' own matters.
        if (event->is(linux_::kSoftirqExitRecord.name) && event->text("vec") != "1")
            return;
        note_groups(*event);
        (section_ == "trace" ? recording_.trace : recording_.boot).push_back(*std::move(event));
    }

    void check(const FtraceEvent& event, const KnownEvent& known) {
        highest_cpu_ = std::max(highest_cpu_, event.cpu);
        for (std::size_t i = 0; i < known.format.fields.size(); ++i) {
            const FtraceField& field = known.format.fields[i];
            const sim::OperandType type = known.kind->operands[i].type;
            const auto at = event.fields.find(field.key);
            if (at == event.fields.end()) {
                // Newer than other fields (TMM 17).
                if (field.key == "capacity")
                    continue;
                refuse(event.line, fmt::format("{} without {}", event.name, field.key),
                       in_quotes(known.kind->ftrace_format));
            }
            if (const std::string_view wanted = wanted_instead(at->second, field, type); !wanted.empty())
                refuse(event.line, fmt::format("{}={}", field.key, in_quotes(at->second)), wanted);
            if (type == sim::OperandType::kCpu) {
                if (event.number(field.key) > sim::kMaxCpuCount)
                    refuse(event.line, fmt::format("{}={}", field.key, at->second), "the number of a CPU");
                highest_cpu_ = std::max(highest_cpu_, static_cast<sim::CpuId>(event.number(field.key)));
            }
            if (field.key == "nextevt" && event.number(field.key) != kNever)
                first_timers_.insert(event.signed_number(field.key));
        }
    }

    /// Groups have to be created before they are used: else the hierarchy is not known.
    void note_groups(const FtraceEvent& event) {
        if (event.is("tmigr_group_set")) {
            if (is_null(event.text("group")))
                refuse(event.line, fmt::format("group={}", event.text("group")), "the pointer of a group");
            groups_.insert(event.text("group"));
            if (event.text("numa") != "-1")
                highest_node_ = std::max(highest_node_, event.number("numa"));
        } else if (event.name.starts_with("tmigr_")) {
            for (const std::string_view key : {"group", "parent", "child"})
                if (const auto at = event.fields.find(key); at != event.fields.end() && !groups_.contains(at->second) &&
                                                            !(key != "group" && is_null(at->second)))
                    refuse(event.line, fmt::format("{}={} that no tmigr_group_set has created", key, at->second),
                           "a trace since early boot: trace_event=timer_migration:* on the kernel's command line");
        }
    }
    static bool is_null(std::string_view pointer) { return pointer.find_first_not_of('0') == std::string_view::npos; }

    void finish() {
        Recording& r = recording_;
        if (groups_.empty())
            refuse(0, "no tmigr_group_set",
                   "a trace since early boot: trace_event=timer_migration:* on the kernel's command line");
        if (r.cpu_count == 0)
            r.cpu_count = highest_cpu_ + 1;
        if (highest_cpu_ >= r.cpu_count)
            refuse(0, fmt::format("CPU {}", highest_cpu_), fmt::format("CPUs below {}", r.cpu_count));
        r.node_count = nodes_ != 0 ? nodes_ : static_cast<std::uint32_t>(highest_node_ + 1);
        if (highest_node_ >= r.cpu_count || r.node_count > r.cpu_count)
            refuse(0, fmt::format("{} nodes", std::max<std::uint64_t>(highest_node_ + 1, r.node_count)),
                   fmt::format("at most as many as CPUs, {}", r.cpu_count));
        check_nodes();
        r.children = children();
        r.tick_ns = tick();
    }

    /// The machine splits its CPUs evenly and contiguously over its nodes (MA 1).
    void check_nodes() const {
        for (const FtraceEvent& e : recording_.boot) {
            if (!e.is("tmigr_connect_cpu_parent") || e.text("numa") == "-1")
                continue;
            const std::uint64_t cpu = e.number("cpu");
            const std::uint64_t node = cpu * recording_.node_count / recording_.cpu_count;
            if (e.number("numa") != node)
                refuse(e.line, fmt::format("CPU {} on node {}", cpu, e.text("numa")),
                       fmt::format("node {}: CPUs split evenly and contiguously over {} nodes", node,
                                   recording_.node_count));
        }
    }

    /// What the kernel says, else as many as a group has beside which another one was made (TMM 13.2). If no group is
    /// full, hierarchies of any number are the same (TMM 4.1).
    unsigned children() const {
        constexpr std::string_view kSays = "hierarchy levels; ";
        unsigned count = 0;
        if (const std::size_t at = recording_.levels_message.find(kSays); at != std::string::npos)
            std::from_chars(recording_.levels_message.data() + at + kSays.size(),
                            recording_.levels_message.data() + recording_.levels_message.size(), count);
        if (count == 0)
            count = children_of_full_groups().value_or(linux_::tmigr::kMaxChildren);
        if (count < 2 || count > linux_::tmigr::kMaxChildren || !std::has_single_bit(count))
            refuse(0, fmt::format("groups of {} children", count), "2, 4 or 8");
        return count;
    }

    std::optional<unsigned> children_of_full_groups() const {
        struct Beside {
            unsigned groups = 0, most = 0;
        };
        std::map<std::pair<std::string, std::string>, Beside> places;  // by level and node
        for (const FtraceEvent& e : recording_.boot) {
            const bool made = e.is("tmigr_group_set");
            if (!made && !e.is("tmigr_connect_cpu_parent") && !e.is("tmigr_connect_child_parent"))
                continue;
            Beside& p = places[{e.text("lvl"), e.text("numa")}];
            if (made)
                ++p.groups;
            else
                p.most = std::max(p.most, static_cast<unsigned>(e.number("num_children")));
        }
        std::optional<unsigned> full;
        for (const auto& [place, p] : places)
            if (p.groups > 1)
                full = std::max(full.value_or(0), p.most);
        return full;
    }

    std::int64_t tick() const {
        constexpr std::array<std::int64_t, 4> kTicks{10'000'000, 4'000'000, 3'333'333, 1'000'000};
        for (const std::int64_t tick : kTicks)
            if (std::all_of(first_timers_.begin(), first_timers_.end(), [&](std::int64_t t) { return t % tick == 0; }))
                return tick;
        refuse(0, "first timers (nextevt) between the edges of any tick", "edges of HZ 100, 250, 300 or 1000");
    }

    static constexpr std::uint64_t kNever = INT64_MAX;

    LineReader lines_;
    Recording recording_;
    std::string section_;
    bool sections_ = false;
    std::uint32_t nodes_ = 0;
    sim::CpuId highest_cpu_ = 0;
    std::uint64_t highest_node_ = 0;
    std::set<std::string, std::less<>> groups_;
    std::set<std::int64_t> first_timers_;
};

}  // namespace

std::optional<Recording> read_recording(const std::string& file, std::vector<InputError>& errors) {
    try {
        return RecordingReader(file).read();
    } catch (const Fault& fault) {
        InputError error = file_error(file, fault.message);
        error.place.line = static_cast<int>(fault.line);
        error.place.column = 1;
        errors.push_back(std::move(error));
    } catch (const std::runtime_error& e) {
        errors.push_back(file_error(file, e.what()));
    }
    return std::nullopt;
}

}  // namespace ticklab::lab
