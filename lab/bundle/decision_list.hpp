// The decisions of a run: the stalls and ties that make it another run than the undisturbed one, as a list to keep,
// edit and play back (MA 7.2).
//
// Rules
//  (1) An entry is keyed as the choice is (MA 7.1), so taking one out leaves the places of all others alone.
//  (2) What is no stall and no tie - load, jitter, flight, memory, the places at which points are asked about - is
//      answered by the seed: the seed and the machine options belong to a run as much as its list.
//  (3) A key may be asked more than once, where a root operation is begun again. The seed answers the same each time, a
//      schedule need not: an entry is for one of these times.
//  (4) An entry that the run never comes to counts for nothing; DecisionPlayer tells how many these are.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// The CPU that comes to this interleaving point stands still for so long.
struct StallDecision {
    std::uint64_t key = 0;
    std::uint64_t nth = 1;   ///< time that the key is asked, from 1
    sim::Duration length{};  ///< at least 1 ps
    friend auto operator<=>(const StallDecision&, const StallDecision&) = default;
};

/// Which of the activities that are due at one instant goes first: not the one that would.
struct TieDecision {
    std::uint64_t key = 0;
    std::uint64_t nth = 1;     ///< time that the key is asked, from 1
    std::uint64_t answer = 0;  ///< at least 1
    friend auto operator<=>(const TieDecision&, const TieDecision&) = default;
};

/// Each in the order in which the run came to them; no time of a key twice in one of the two.
struct DecisionList {
    std::vector<StallDecision> stalls;
    std::vector<TieDecision> ties;

    std::size_t size() const { return stalls.size() + ties.size(); }
    friend bool operator==(const DecisionList&, const DecisionList&) = default;
};

/// Keeps what stalls and ties of one run are answered, by the seed or by another strategy.
class DecisionRecorder final : public sim::Strategy {
public:
    /// Null for the seed; else it must outlive this.
    explicit DecisionRecorder(sim::Strategy* answers) : answers_(answers) {}
    void at_point(const sim::Cpu& cpu, const sim::InterleavingPoint& point) override;
    std::uint64_t answer(const sim::Site& site, std::uint64_t key, std::uint64_t bound, std::uint64_t seeded) override;

    const DecisionList& list() const { return list_; }

private:
    using TimesAsked = std::map<std::uint64_t, std::uint64_t>;

    sim::Strategy* answers_;
    TimesAsked points_;
    TimesAsked ties_;
    DecisionList list_;
};

/// Answers the choices of one run by a list. The machine must ask about stalls (any `stall_one_in` but 0, a `max_stall`
/// no shorter than the longest of the list) and, if the list has ties, about these (`break_ties`).
class DecisionPlayer final : public sim::Strategy {
public:
    explicit DecisionPlayer(const DecisionList& list);
    std::uint64_t answer(const sim::Site& site, std::uint64_t key, std::uint64_t bound, std::uint64_t seeded) override;

    /// Entries that the run did not come to so far.
    std::size_t unreached() const;
    /// Times that a tie had fewer activities due than its answer names; the last of them went first.
    std::size_t beyond() const { return beyond_; }

private:
    struct Entry {
        std::uint64_t answer = 0;
        bool reached = false;
    };
    /// What there is for one key.
    struct Times {
        std::map<std::uint64_t, Entry> entries;  ///< by the time that it is asked
        std::uint64_t asked = 0;
    };
    using Entries = std::map<std::uint64_t, Times>;

    static std::uint64_t look_up(Entries& entries, std::uint64_t key);
    static std::size_t unreached(const Entries& entries);

    Entries stalls_;  ///< lengths in ps
    Entries ties_;
    std::uint64_t stall_ps_ = 0;  ///< of the stall that was answered last
    std::size_t beyond_ = 0;
};

}  // namespace ticklab::lab
