// What happens in a run, as a stream of records (MA 11).
//
// Rules
//  - A record follows each change of state, with the new values and the id of the record that caused it.
//  - Kinds are declared once, beside the code that emits them, in tables with fixed ids; exporters and checkers iterate
//    over the registry and never name a kernel.
//  - Base kinds make up the digest; their ids, operands and order are versioned (kRecordVersion). Causes are not
//    digested.
//  - Observers cannot emit base records, spend time or make choices.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Number of a CPU, dense from 0. kNoCpu where a record or a timer has none.
using CpuId = std::uint32_t;
inline constexpr CpuId kNoCpu = 0xffff;
/// Largest number of CPUs of a machine.
inline constexpr CpuId kMaxCpuCount = 0xfffe;

/// Version of the base record kinds: changes whenever a digest may change for an unchanged scenario.
inline constexpr int kRecordVersion = 2;

/// Identity of a record: the rank of the source that emitted it and its number there. Stable under observers and
/// recording levels. Zero is "none".
struct RecordId {
    std::uint64_t bits = 0;

    constexpr explicit operator bool() const { return bits != 0; }
    friend constexpr auto operator<=>(RecordId, RecordId) = default;  // NOLINT(modernize-use-nullptr)
};

/// What asked for something that happens later: a timer, a softirq bit, an IPI, deferred work. Whoever defers stores
/// it.
struct Cause {
    /// The record to name as the cause.
    RecordId record;
    /// The root operation (script step, load event or interrupt) that led here; part of the key of choices (MA 7.1).
    std::uint64_t root = 0;
};

/// How an operand is to be read and shown.
enum class OperandType : std::uint8_t {
    kUnsigned,    ///< decimal
    kSigned,      ///< decimal, two's complement
    kHex,         ///< hexadecimal with 0x
    kBool,        ///< 0 or 1
    kCpu,         ///< a CpuId
    kTimePs,      ///< instant, picoseconds since boot
    kDurationPs,  ///< span, picoseconds
    kTimeNs,      ///< instant in the modelled system's nanoseconds
    kVector,      ///< interrupt vector
    kObject,      ///< index in the machine's table of named objects (timers, locks, threads), or kNoObject
    kName,        ///< index in the machine's table of interned names
};

/// Of an operand of type kObject: there is none. The machine's first name is none of an object (ApicBus).
inline constexpr std::uint64_t kNoObject = 0;

/// What a timeline makes of an operand that has a name to be drawn under (TE 1).
enum class DrawnAs : std::uint8_t {
    /// A counter, one for each CPU, or for each object where the kind has a kTrack: it takes the operand's value,
    /// "never" counts as 0. For numbers and times; every kind with that name moves it, the first declared type counts.
    kCounter,
    kCounterCleared,  ///< that counter falls to 0, whatever the operand says
    /// The operand is an object with a track of its own in the process of that name, whichever CPUs its records come
    /// from. At most one a kind. A kind without rows is a mark there as well.
    kTrack,
    /// Of a kind with a kTrack: a slice "NAME VALUE" on that track, up to the record that says another value. Of
    /// several, those of later operands enclose those of earlier ones. For what has few values.
    kRow,
    /// Of a kind with a kTrack: the track's name begins with "NAME VALUE", and tracks are in the order of the value,
    /// then of their first records. That of the track's first record counts. For numbers.
    kRank,
};

struct Operand {
    std::string_view name;
    OperandType type;
    /// Empty: it is shown with its record only.
    std::string_view drawn_name{};
    DrawnAs drawn_as = DrawnAs::kCounter;
};

/// Whether a kind is part of the digest.
enum class DigestClass : std::uint8_t { kBase, kObserver };

inline constexpr int kMaxOperands = 9;

/// What a timeline makes of a kind on the track of its CPU (TE 1). With DrawnAs of its operands that is all that
/// exporters need to know of a kernel.
enum class TimelineShape : std::uint8_t {
    kInstant,  ///< a mark on the CPU's track
    /// Opens a slice on the CPU's track; closed by a kSliceEnd kind of the same slice name there. Where all kinds of
    /// that name call their operand 0 the same, its value tells slices of one name apart.
    kSliceBegin,
    kSliceEnd,
    /// Opens an interval of operand 0 (an object), such as "timer pending", and closes an open one of that object.
    kAsyncBegin,
    kAsyncEnd,
    kHidden,  ///< nothing on the CPU's track
};

/// What a kind says about the way of a timer from arming to callback, so that `why` can split lateness without knowing
/// the kernel (lab/why/split.hpp). Operands are found by type: the timer is the first kObject, the CPU the first kCpu,
/// the instant the first kTimePs or kTimeNs.
enum class RecordRole : std::uint8_t {
    kNone,
    kArmed,          ///< the timer was armed; the CPU is the one that has to run it
    kQueued,         ///< the timer lies in a queue of the CPU, perhaps another than before
    kDeadline,       ///< the record's CPU wants to look after its timers at the instant; 0 is never
    kRest,           ///< the record's CPU has had too much of its timers, and leaves them alone until the instant
    kSoftirqBegin,   ///< operand 0 tells kinds of softirqs apart; the one that runs callbacks is a pass
    kSoftirqEnd,     ///< likewise
    kCallbackBegin,  ///< the kernel calls the callback of a timer, its own ones included
    kCallbackEnd,    ///< it has returned
};

/// Declaration of one kind of record.
struct RecordKind {
    std::uint16_t id;           ///< fixed for ever; sim from 1, xen 256, linux 512, cputime 1024, users 32768
    std::string_view name;      ///< "irq_entry"; with the system in front it is unique: "sim:irq_entry"
    std::string_view system;    ///< "sim", "xen", ...
    std::string_view category;  ///< timeline category: timer, irq, idle, hw, lock, scenario, oracle (TE 1)
    DigestClass digest_class;
    TimelineShape shape;
    std::string_view slice;  ///< name of the slice or interval that a begin/end pair makes; empty for instants
    std::string_view help;   ///< one plain sentence
    std::array<Operand, kMaxOperands> operands{};
    std::uint8_t operand_count = 0;
    /// printf-like ftrace text after "name: " (TE 3), empty if the kernel has none.
    std::string_view ftrace_format{};
    RecordRole role = RecordRole::kNone;

    constexpr RecordKind(std::uint16_t id_, std::string_view system_, std::string_view name_,
                         std::string_view category_, TimelineShape shape_, std::string_view slice_,
                         std::string_view help_, std::initializer_list<Operand> operands_,
                         std::string_view ftrace_format_ = {}, DigestClass digest_class_ = DigestClass::kBase)
        : id(id_),
          name(name_),
          system(system_),
          category(category_),
          digest_class(digest_class_),
          shape(shape_),
          slice(slice_),
          help(help_),
          ftrace_format(ftrace_format_) {
        for (const Operand& o : operands_)
            operands[operand_count++] = o;
    }

    /// The same with a role.
    constexpr RecordKind as(RecordRole role_) const {
        RecordKind kind = *this;
        kind.role = role_;
        return kind;
    }
};

/// A committed record, valid during RecordConsumer::consume only.
struct Record {
    Time at;
    const RecordKind* kind;
    CpuId cpu;  ///< kNoCpu for a device or the script
    RecordId id;
    RecordId cause;
    /// What the activity waited for where it waited (a lock's last owner, a callback before it in the queue); none
    /// else.
    RecordId waited_on;
    std::span<const std::uint64_t> operands;

    std::uint64_t unsigned_at(int i) const { return operands[static_cast<std::size_t>(i)]; }
    std::int64_t signed_at(int i) const { return static_cast<std::int64_t>(operands[static_cast<std::size_t>(i)]); }
};

/// Takes committed records, in key order, in batches.
class RecordConsumer {
public:
    virtual ~RecordConsumer() = default;
    virtual void consume(std::span<const Record> batch) = 0;
};

}  // namespace ticklab::sim
