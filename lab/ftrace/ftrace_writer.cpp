#include "ticklab/lab/ftrace/ftrace_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "ticklab/lab/ftrace/irq_vectors.hpp"
#include "ticklab/model/linux/records.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab {
namespace {

constexpr std::uint32_t kNoText = 0xffffffff;
constexpr std::string_view kVectorText = "vector=%d";
constexpr std::string_view kColumns =
    "#\n"
    "#                                _-----=> irqs-off/BH-disabled\n"
    "#                               / _----=> need-resched\n"
    "#                              | / _---=> hardirq/softirq\n"
    "#                              || / _--=> preempt-depth\n"
    "#                              ||| / _-=> migrate-disable\n"
    "#                              |||| /     delay\n"
    "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
    "#              | |         |   |||||     |         |\n";

/// "TASK-PID" as the kernel says it: its idle tasks have number 0, names have 15 characters.
std::string task_text(std::uint64_t object, const sim::RecordStream& names) {
    constexpr std::string_view kIdle = "idle/";
    constexpr std::size_t kCommLength = 15;
    const std::string_view name = object == sim::kNoObject ? kIdle : names.name(object);
    if (name.starts_with(kIdle))
        return fmt::format("{:>16}-{:<7}", "<idle>", 0);
    return fmt::format("{:>16}-{:<7}", name.substr(0, kCommLength), object);
}

}  // namespace

bool FtraceWriter::any_text(std::span<const sim::RecordKind> kinds) {
    return std::any_of(kinds.begin(), kinds.end(), [](const sim::RecordKind& k) { return !k.ftrace_format.empty(); });
}

FtraceWriter::FtraceWriter(std::unique_ptr<TimelineSink> sink, FtraceOptions options,
                           std::span<const sim::RecordKind* const> kinds)
    : sink_(std::move(sink)), options_(std::move(options)), cpus_(options_.cpu_count) {
    for (const sim::RecordKind* kind : kinds) {
        if (kind->ftrace_format.empty())
            continue;
        if (text_of_kind_.size() <= kind->id)
            text_of_kind_.resize(kind->id + std::size_t{1}, kNoText);
        text_of_kind_[kind->id] = static_cast<std::uint32_t>(texts_.size());
        texts_.push_back({kind, kind->name, FtraceFormat::of(kind->ftrace_format)});
    }
    for (const IrqVector& v : kIrqVectors) {
        texts_.push_back({&sim::kIrqEntry, v.entry, FtraceFormat::of(kVectorText)});
        texts_.push_back({&sim::kIrqExit, v.exit, FtraceFormat::of(kVectorText)});
    }
}

/// Keeps what the columns before the time say of the CPU.
void FtraceWriter::follow(const sim::Record& r) {
    const auto down = [](unsigned& depth) { depth -= depth != 0 ? 1U : 0U; };
    CpuState& cpu = cpus_[r.cpu];
    switch (r.kind->id) {
        case sim::kThreadSwitch.id:
            cpu.task = r.unsigned_at(1);
            break;
        case sim::kIrqEntry.id:
            ++cpu.hardirqs;
            break;
        case sim::kIrqExit.id:
            down(cpu.hardirqs);
            break;
        case sim::kNmiEntry.id:
            ++cpu.nmis;
            break;
        case sim::kNmiExit.id:
            down(cpu.nmis);
            break;
        // Softirqs run on the way out of an interrupt, outside of its context, and do not nest.
        case linux_::kSoftirqEntryRecord.id:
            cpu.in_softirq = true;
            cpu.hardirqs_outside = std::exchange(cpu.hardirqs, 0);
            break;
        case linux_::kSoftirqExitRecord.id:
            cpu.in_softirq = false;
            cpu.hardirqs = cpu.hardirqs_outside;
            break;
        default:
            break;
    }
}

std::uint32_t FtraceWriter::text_of(const sim::Record& r) {
    if (r.kind->id != sim::kIrqEntry.id && r.kind->id != sim::kIrqExit.id)
        return r.kind->id < text_of_kind_.size() ? text_of_kind_[r.kind->id] : kNoText;
    const std::size_t first = texts_.size() - 2 * kIrqVectors.size();
    for (std::size_t i = 0; i < kIrqVectors.size(); ++i)
        if (kIrqVectors[i].vector == r.unsigned_at(0))
            return static_cast<std::uint32_t>(first + 2 * i + (r.kind->id == sim::kIrqExit.id ? 1 : 0));
    return kNoText;
}

void FtraceWriter::consume(std::span<const sim::Record> batch) {
    for (const sim::Record& r : batch) {
        if (r.cpu == sim::kNoCpu)
            continue;
        // An exit is written within the context that it ends, an entry within the one that it begins.
        const CpuState before = cpus_[r.cpu];
        follow(r);
        const std::uint32_t text = text_of(r);
        if (text == kNoText || r.at < options_.from || r.at > options_.to || cut_)
            continue;
        if (entries_.size() == options_.max_events) {
            cut_ = true;
            cut_at_ = r.at;
            continue;
        }
        const bool leaves = r.kind->id == sim::kIrqExit.id || r.kind->id == sim::kNmiExit.id ||
                            r.kind->id == linux_::kSoftirqExitRecord.id;
        const CpuState& cpu = leaves ? before : cpus_[r.cpu];
        char context = cpu.in_softirq ? 's' : '.';
        if (cpu.nmis != 0)
            context = cpu.hardirqs != 0 ? 'Z' : 'z';
        else if (cpu.hardirqs != 0)
            context = cpu.in_softirq ? 'H' : 'h';
        entries_.push_back({sim::ns_floor(r.at) / 1000, cpu.task, words_.size(), text, r.cpu,
                            cpu.hardirqs != 0 || cpu.nmis != 0 ? 'd' : 'X', context});
        words_.insert(words_.end(), r.operands.begin(), r.operands.end());
    }
}

std::string FtraceWriter::line_of(const Entry& entry, const sim::RecordStream& names) const {
    constexpr std::int64_t kUsPerSecond = 1'000'000;
    const Text& text = texts_[entry.text];
    std::string line =
        fmt::format("{} [{:03}] {}.{}.. {:>5}.{:06}: {}: ", task_text(entry.task, names), entry.cpu, entry.irqs_off,
                    entry.context, entry.at_us / kUsPerSecond, entry.at_us % kUsPerSecond, text.name);
    line += ftrace_text(text.format, *text.kind, std::span(words_).subspan(entry.words, text.kind->operand_count),
                        names, FtraceObjects::kAddresses);
    line += '\n';
    return line;
}

std::string FtraceWriter::header() const {
    std::string text = fmt::format("# tracer: nop\n#\n# entries-in-buffer/entries-written: {0}/{0}   #P:{1}\n{2}",
                                   entries_.size(), options_.cpu_count, kColumns);
    for (const auto& [key, value] : options_.notes)
        text += fmt::format("# {}: {}\n", key, value);
    if (cut_)
        text += fmt::format("# cut: at {} ns, after {} events: ask for a shorter span\n", sim::ns_floor(cut_at_),
                            entries_.size());
    return text;
}

/// The names of all objects that are mentioned.
std::string FtraceWriter::objects(const sim::RecordStream& names) const {
    std::set<std::uint64_t> seen;
    for (const Entry& e : entries_) {
        const FtraceFormat& format = texts_[e.text].format;
        for (std::size_t i = 0; i < format.fields.size(); ++i)
            if (const std::uint64_t word = words_[e.words + i];
                format.fields[i].conversion == FtraceConversion::kPointer && word != 0)
                seen.insert(word);
    }
    std::string text;
    for (const std::uint64_t object : seen)
        text += fmt::format("# {:016x} is {}\n", object, names.name(object));
    return text;
}

void FtraceWriter::finish(const sim::RecordStream& names) {
    sink_->write(header());
    sink_->write(objects(names));
    for (const Entry& entry : entries_)
        sink_->write(line_of(entry, names));
    sink_->close();
}

}  // namespace ticklab::lab
