// The ways to place one stall in a run, the promising ones first.
//
// Rules
//  (1) Two accesses to one cache line or device conflict if they are by different CPUs and one of them writes. Where
//      they come within `max_stall` of each other, a stall just before the first that is longer than what lies between
//      lets the second go first: it turns the conflict round. So does a stall at an earlier point of that CPU, but the
//      accesses in between are turned round by stalls of their own.
//  (2) A stall is of the kind of what its CPU was doing at the point, and of what those were doing whom it lets pass:
//      the innermost frame, and the last named place that the CPU had come by. A race is mostly one of a kind wherever
//      in a run it occurs, so kinds take turns.
//  (3) A CPU that is stalled may be late for its next interrupt: of the kind of what it was doing, and what the
//      interrupt does. A stall by (1) and one by (3) take turns, so neither has to wait more than twice as long.
//  (4) All other stalls come behind these: a CPU may be late for a clock as well. Each place with each length is there
//      once.
//  (5) The order depends on the run and on a seed that shuffles the kinds and the stalls of each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ticklab/lab/schedule.hpp"

namespace ticklab::lab {

class StallOrder {
public:
    /// For a run without stalls that came to `points`, and to `crossings` before any other.
    StallOrder(std::span<const Crossing> crossings, std::uint64_t points, sim::Duration max_stall, std::uint64_t seed);

    /// Points times lengths of kStallDivisors.
    std::uint64_t size() const { return points_ * kStallDivisors.size(); }
    /// How many of them turn a conflict round or are before an interrupt; they are the first.
    std::uint64_t promising() const { return promising_.size(); }
    /// `index` < size().
    PlacedStall operator[](std::uint64_t index) const;
    /// `depth` of them at different points, or fewer: each as likely a promising one, of any kind, as one of all.
    std::vector<PlacedStall> sample(std::uint64_t seed, std::uint64_t depth) const;

private:
    /// Number of a place: that of its point from 0, times the lengths, plus the length's.
    using Place = std::uint64_t;
    PlacedStall stall(Place place) const;

    std::uint64_t points_;
    sim::Duration max_stall_;
    std::vector<std::vector<Place>> kinds_;  ///< promising ones
    std::vector<Place> promising_;           ///< those of all kinds, in their order
    /// Places in an order in which near numbers lie far apart: position times stride, modulo size().
    std::uint64_t stride_ = 1;
    /// Where the promising ones stand in it; ascending.
    std::vector<std::uint64_t> skipped_;
};

}  // namespace ticklab::lab
