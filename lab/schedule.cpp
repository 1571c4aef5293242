#include "ticklab/lab/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "ticklab/sim/cpu.hpp"
#include "ticklab/sim/machine.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::lab {
namespace {

using sim::Duration;

constexpr sim::Site kOrder{"hunt.pct.order", "where a CPU stands in the order of a run"};
constexpr sim::Site kPctLength{"hunt.pct.length", "how long the stalls of a run last"};

/// A CPU runs this many times as long as it was stalled before it is stalled for its place in the order again.
constexpr std::int64_t kRest = 9;

constexpr std::string_view kExpectedSchedule =
    "\"pct\", \"pct@17+4812\", \"none\", \"ties\", or places such as \"stall@17=300us,tie@4=1\"; from 1 on and "
    "ascending";

class PlacedScheduler final : public Scheduler {
public:
    explicit PlacedScheduler(PlacedSchedule schedule) : schedule_(std::move(schedule)) {}

private:
    Duration stall_here() override {
        if (next_stall_ == schedule_.stalls.size() || schedule_.stalls[next_stall_].point != points())
            return Duration::zero();
        return schedule_.stalls[next_stall_++].length;
    }
    std::uint64_t tie_here(std::uint64_t tie, std::uint64_t bound, std::uint64_t) override {
        if (next_tie_ == schedule_.ties.size() || schedule_.ties[next_tie_].tie != tie)
            return 0;
        return std::min(schedule_.ties[next_tie_++].answer, bound - 1);
    }

    PlacedSchedule schedule_;
    std::size_t next_stall_ = 0;
    std::size_t next_tie_ = 0;
};

class PctScheduler final : public Scheduler {
public:
    PctScheduler(const PctSchedule& schedule, const sim::MachineConfig& config)
        : places_(config.cpu_count),
          rested_at_(config.cpu_count, sim::kBoot),
          last_place_(config.cpu_count),
          changes_(schedule.changes) {
        sim::Choices choices(config.seed);
        sim::ChoiceContext context(sim::name_hash("hunt"));
        std::iota(places_.begin(), places_.end(), std::uint64_t{1});
        for (std::size_t i = places_.size(); i > 1; --i)
            std::swap(places_[i - 1], places_[choices.draw(kOrder, context, i)]);
        length_ = stall_length(config.max_stall, choices.draw(kPctLength, context, kStallDivisors.size()));
    }

private:
    Duration stall_here() override {
        bool changes = false;
        for (; next_change_ != changes_.size() && changes_[next_change_] <= points(); ++next_change_)
            changes = true;
        if (changes)
            places_[cpu().id()] = ++last_place_;
        else if (cpu().local_time() < rested_at_[cpu().id()] || !anyone_before())
            return Duration::zero();
        rested_at_[cpu().id()] = sim::saturating_add(cpu().local_time(), (1 + kRest) * length_);
        return length_;
    }
    std::uint64_t tie_here(std::uint64_t, std::uint64_t, std::uint64_t seeded) override { return seeded; }

    bool anyone_before() const {
        sim::Machine& machine = cpu().machine();
        for (sim::CpuId c = 0; c < machine.cpu_count(); ++c)
            if (places_[c] < places_[cpu().id()] && machine.cpu(c).activity() == sim::CpuActivity::kRunning)
                return true;
        return false;
    }

    std::vector<std::uint64_t> places_;  ///< of each CPU in the order; the least goes first
    std::vector<sim::Time> rested_at_;
    std::uint64_t last_place_;
    std::vector<std::uint64_t> changes_;
    std::size_t next_change_ = 0;
    Duration length_{};
};

std::optional<std::uint64_t> positive(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = error == std::errc{} && end == digits.data() + digits.size();
    return whole && value != 0 ? std::optional(value) : std::nullopt;
}

std::optional<PctSchedule> parse_change_points(std::string_view text) {
    PctSchedule pct;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t plus = std::min(text.find('+', from), text.size());
        const std::optional<std::uint64_t> point = positive(text.substr(from, plus - from));
        if (!point || (!pct.changes.empty() && pct.changes.back() >= *point) ||
            pct.changes.size() + 1 == kMaxScheduleDepth)
            return std::nullopt;
        pct.changes.push_back(*point);
        from = plus + 1;
    }
    return pct;
}

bool add_place(std::string_view word, PlacedSchedule& schedule) {
    const std::size_t at = word.find('@'), equals = word.find('=');
    if (at == std::string_view::npos || equals == std::string_view::npos || equals < at)
        return false;
    const std::optional<std::uint64_t> number = positive(word.substr(at + 1, equals - at - 1));
    if (!number)
        return false;
    const std::string_view kind = word.substr(0, at), value = word.substr(equals + 1);
    if (kind == "stall") {
        const Parsed<Duration> length = parse_duration(value);
        if (!length.value || *length.value == Duration::zero() ||
            (!schedule.stalls.empty() && schedule.stalls.back().point >= *number))
            return false;
        schedule.stalls.push_back({*number, *length.value});
        return true;
    }
    const std::optional<std::uint64_t> answer = positive(value);
    if (kind != "tie" || !answer || (!schedule.ties.empty() && schedule.ties.back().tie >= *number))
        return false;
    schedule.ties.push_back({*number, *answer});
    schedule.break_ties = true;
    return true;
}

std::optional<Schedule> schedule_of(std::string_view text) {
    constexpr std::string_view kPct = "pct", kPctAt = "pct@";
    if (text == kPct)
        return PctSchedule{};
    if (text.starts_with(kPctAt)) {
        std::optional<PctSchedule> pct = parse_change_points(text.substr(kPctAt.size()));
        return pct ? std::optional<Schedule>(*std::move(pct)) : std::nullopt;
    }
    PlacedSchedule placed;
    if (text == "none")
        return placed;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t comma = std::min(text.find(',', from), text.size());
        const std::string_view word = text.substr(from, comma - from);
        if (word == "ties")
            placed.break_ties = true;
        else if (!add_place(word, placed))
            return std::nullopt;
        from = comma + 1;
    }
    return placed;
}

}  // namespace

std::string schedule_text(const Schedule& schedule) {
    if (const auto* pct = std::get_if<PctSchedule>(&schedule))
        return pct->changes.empty() ? "pct" : fmt::format("pct@{}", fmt::join(pct->changes, "+"));
    const auto& placed = std::get<PlacedSchedule>(schedule);
    std::vector<std::string> words;
    if (placed.break_ties && placed.ties.empty())
        words.emplace_back("ties");
    for (const PlacedStall& stall : placed.stalls)
        words.push_back(fmt::format("stall@{}={}", stall.point, duration_text(stall.length)));
    for (const PlacedTie& tie : placed.ties)
        words.push_back(fmt::format("tie@{}={}", tie.tie, tie.answer));
    return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ","));
}

Parsed<Schedule> parse_schedule(std::string_view text) {
    if (std::optional<Schedule> schedule = schedule_of(text))
        return {std::move(schedule), {}};
    return {std::nullopt, std::string(kExpectedSchedule)};
}

void Scheduler::at_point(const sim::Cpu& cpu, const sim::InterleavingPoint& point) {
    cpu_ = &cpu;
    point_ = point;
}

std::uint64_t Scheduler::answer(const sim::Site& site, std::uint64_t, std::uint64_t bound, std::uint64_t seeded) {
    if (site.hash() == sim::sites::kStallAtPoint.hash()) {
        ++points_;
        if (crossings_.size() < kept_)
            crossings_.push_back({static_cast<std::uint32_t>(bound), false, cpu_->id(), cpu_->local_time(), point_,
                                  cpu_->doing(), cpu_->irq_depth()});
        stall_ = stall_here();
        return stall_ > Duration::zero() ? 1 : 0;
    }
    if (site.hash() == sim::sites::kStallLength.hash())
        return std::min(static_cast<std::uint64_t>(stall_.count()), bound) - 1;
    if (site.hash() == sim::sites::kTie.hash()) {
        ++ties_;
        if (crossings_.size() < kept_)
            crossings_.push_back({static_cast<std::uint32_t>(bound), true});
        return tie_here(ties_, bound, seeded);
    }
    return seeded;
}

Disturbance scheduled_disturbance(const Schedule& schedule, const sim::MachineConfig& config) {
    const auto* const placed = std::get_if<PlacedSchedule>(&schedule);
    if (placed)
        for (const PlacedStall& stall : placed->stalls)
            if (stall.length > config.max_stall)
                throw std::invalid_argument(fmt::format("a stall of {}; machine.max_stall allows {}",
                                                        duration_text(stall.length), duration_text(config.max_stall)));
    Disturbance d;
    d.stall_one_in = 1;  // each point is asked about
    d.max_stall = config.max_stall;
    d.break_ties = config.memory_model == sim::MemoryModel::kSequential && (!placed || placed->break_ties);
    return d;
}

std::unique_ptr<Scheduler> make_scheduler(const Schedule& schedule, const sim::MachineConfig& config) {
    if (const auto* pct = std::get_if<PctSchedule>(&schedule))
        return std::make_unique<PctScheduler>(*pct, config);
    return std::make_unique<PlacedScheduler>(std::get<PlacedSchedule>(schedule));
}

}  // namespace ticklab::lab
