// Where a run is disturbed, when neither its seed nor its scenario says so: the strategies of a hunt beyond chance.
//
// Rules
//  - Interleaving points and ties are numbered from 1 in the order in which the machine comes to them. The same
//    schedule, scenario and seed is the same run.
//  - Whatever the strategy, what it does is stalls of at most `max_stall` and the order of ties (MA 3.4, 13.1):
//    things that happen on real machines, so whatever fails could fail there.
//  - Answers are given through sim::Strategy and so are decisions like any other.
//
// PCT on a machine whose CPUs all run at once. Probabilistic concurrency testing picks one thread at a time by
// priority; here a CPU cannot be made to stand still for ever, only be late:
//  (1) The CPUs of a run stand in a random order.
//  (2) A CPU that comes to a point while one before it in the order is in the kernel is stalled, so the other gets on.
//  (3) There are change points: the CPU that comes to one of them goes to the end of the order and is stalled there. A
//      hunt of depth d draws d - 1 of them, as it draws stalls (lab/hunt/stall_order.hpp).
//  (4) All stalls of a run have one length, drawn from kStallDivisors. Between two stalls by (2) a CPU runs at least
//      kRest times as long as the first one took: a late CPU, never a starved one.
// What PCT promises of n threads and k steps, it promises here only of bugs whose order of events one such stall brings
// about.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ticklab/lab/disturbance.hpp"
#include "ticklab/lab/values.hpp"
#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/machine_config.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// Deeper schedules are refused: each level is one more delay that a race would need.
inline constexpr std::uint64_t kMaxScheduleDepth = 64;

/// The run's seed draws order and length.
struct PctSchedule {
    std::vector<std::uint64_t> changes;  ///< points, ascending
};

struct PlacedStall {
    std::uint64_t point = 1;
    sim::Duration length{};
};

/// Which of the activities that are due at one instant goes first: not the one that would.
struct PlacedTie {
    std::uint64_t tie = 1;
    std::uint64_t answer = 1;
};

/// These and no others, in ascending order of points and of ties. Places that the run does not come to count for
/// nothing.
struct PlacedSchedule {
    std::vector<PlacedStall> stalls;
    std::vector<PlacedTie> ties;
    /// Whether ties are choices at all: a placed tie needs it, and an exhaustive search.
    bool break_ties = false;
};

using Schedule = std::variant<PctSchedule, PlacedSchedule>;

/// "pct", or "pct@17+4812" with change points; or "stall@17=300us,tie@4=1"; "ties" and "none" stand for no placement
/// with ties as choices, and without.
std::string schedule_text(const Schedule& schedule);
Parsed<Schedule> parse_schedule(std::string_view text);

/// What a scheduled run has come to: one entry a point or tie, in order.
struct Crossing {
    /// Answers there were: 2 at a point, at a tie the activities that were due.
    std::uint32_t answers;
    bool tie;

    // Of a point.
    sim::CpuId cpu = sim::kNoCpu;
    sim::Time at = sim::kBoot;       ///< by the CPU's own time
    sim::InterleavingPoint point{};  ///< objects are told apart by address: no memory of a run is used twice
    const char* doing = "";          ///< sim::Cpu::doing()
    unsigned irq_depth = 0;
};

/// Answers the choices of one run as a schedule has it. Sites that no schedule is about are answered by the seed.
class Scheduler : public sim::Strategy {
public:
    /// Keeps what the run comes to first, so many places at most; to be called before it.
    void keep_crossings(std::uint64_t most) { kept_ = most; }
    const std::vector<Crossing>& crossings() const { return crossings_; }
    std::uint64_t points() const { return points_; }

    void at_point(const sim::Cpu& cpu, const sim::InterleavingPoint& point) final;
    std::uint64_t answer(const sim::Site& site, std::uint64_t key, std::uint64_t bound, std::uint64_t seeded) final;

protected:
    /// How long the CPU at point number points() is stalled; zero for not at all.
    virtual sim::Duration stall_here() = 0;
    virtual std::uint64_t tie_here(std::uint64_t tie, std::uint64_t bound, std::uint64_t seeded) = 0;
    /// That is at a point.
    const sim::Cpu& cpu() const { return *cpu_; }

private:
    std::uint64_t kept_ = 0;
    const sim::Cpu* cpu_ = nullptr;
    sim::InterleavingPoint point_{};
    std::uint64_t points_ = 0;
    std::uint64_t ties_ = 0;
    sim::Duration stall_{};
    std::vector<Crossing> crossings_;
};

/// The options of the machine under which each point, and each tie if the schedule is about ties, is asked about.
/// Throws std::invalid_argument if a placed stall is longer than `config.max_stall`.
Disturbance scheduled_disturbance(const Schedule& schedule, const sim::MachineConfig& config);
/// For a run of `config`, to which that disturbance and the seed have been applied.
std::unique_ptr<Scheduler> make_scheduler(const Schedule& schedule, const sim::MachineConfig& config);

}  // namespace ticklab::lab
