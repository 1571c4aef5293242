// What a kernel (or the machine) declares about itself, once, beside the code: options, verbs, state, changes, checks.
// lab/ generates schema, `ticklab list` and the reference from these and never names a kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Type of a value in a scenario file.
enum class ValueType : std::uint8_t {
    kInteger,
    kBool,
    kDuration,  ///< "250us"; not negative
    kTime,      ///< "5ms" since boot, or "+5ms" relative to the moment of the step
    kCpu,       ///< an integer below machine.cpus
    kTimer,     ///< name of a timer; the first use creates it
    kWord,      ///< one of a closed list of words
    kText,
};

/// A value as a kernel receives it: units resolved, names replaced by indices, random ones drawn.
using Value = std::variant<std::int64_t, bool, Duration, Time, std::string>;

/// One option of a kernel or argument of a verb.
struct ParameterDecl {
    std::string_view name;
    ValueType type;
    std::string_view help;  ///< one sentence with the unit and the range
    bool required = false;
    std::string_view default_text{};  ///< as it would be written in a scenario; empty for none
    std::int64_t min = INT64_MIN;     ///< for kInteger
    std::int64_t max = INT64_MAX;
    std::span<const std::string_view> words{};  ///< for kWord
};

/// In which context a verb is performed.
enum class VerbContext : std::uint8_t {
    kThread,   ///< at thread level of CPU `on`, as a system call or hypercall would be; wakes an idle CPU
    kIrq,      ///< in an interrupt on CPU `on`
    kControl,  ///< in a thread of its own on CPU `on` that may sleep (hotplug)
    kMachine,  ///< on no CPU: a change of the world (faults, load); takes no virtual time
};

/// What a verb does to a timer; lab/ opens and closes obligations by it.
enum class TimerRole : std::uint8_t { kNone, kArm, kCancel, kSyncCancel, kMove };

struct VerbDecl {
    std::string_view name;  ///< "timer.set"
    VerbContext context;
    TimerRole role;
    std::string_view help;
    std::span<const ParameterDecl> parameters;
};

/// A verb with its arguments, ready to be performed.
struct VerbCall {
    const VerbDecl* verb = nullptr;
    /// In the order of verb->parameters; empty where an optional one was left out.
    std::vector<std::optional<Value>> arguments;
    /// The script step or load event.
    Cause cause;

    template <class T>
    const T& get(std::size_t i) const {
        return std::get<T>(*arguments[i]);
    }
    bool has(std::size_t i) const { return arguments[i].has_value(); }
};

enum class ChangeKind : std::uint8_t { kFix, kFeature, kRename };

/// A change in the history of a kernel's part (DESIGN 3): a fix that can be left out, a feature, a rename.
struct ChangeDecl {
    std::string_view id;    ///< canonical id (docs/spec/change-ids.md)
    std::string_view name;  ///< speaking name
    std::string_view part;
    ChangeKind kind;
    std::string_view since;  ///< first version that has it; empty if none does
    std::span<const std::string_view> requires_ids;
    std::span<const std::string_view> conflicts;
    std::string_view source;
    std::string_view symptom;  ///< what is seen without it
};

/// One thing that is always checked. A broken check stops the run with a verdict.
struct CheckDecl {
    std::string_view name;      ///< "timer.early"
    std::string_view sentence;  ///< what it means, one plain sentence
};

/// A numeric quantity that expectations may ask for, such as "cpu2.timers.inactive"; `*` stands for a number.
struct StateDecl {
    std::string_view pattern;
    std::string_view help;
};

/// A price a kernel asks the cost table for.
struct CostDecl {
    std::string_view name;  ///< "heap_sift_step"
    std::string_view help;
};

}  // namespace ticklab::sim
