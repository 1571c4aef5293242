// Prices in cycles, and their exact conversion to virtual time (MA 2.1).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Length of one cycle as an exact fraction of picoseconds.
struct CycleLength {
    std::uint64_t ps_num = 1;
    std::uint64_t ps_den = 1;

    /// For a clock of `hz` (1 .. 10^12).
    static CycleLength of_frequency(std::uint64_t hz);
};

/// A number of cycles with its conversion done beforehand: whole picoseconds and a numerator over CycleLength::ps_den.
struct Price {
    Cycles cycles;
    std::int64_t whole_ps = 0;
    std::uint64_t fraction = 0;

    /// Exact conversion, 128-bit intermediates. `cycles` at most 2^50.
    static Price of(Cycles cycles, CycleLength length);
};

/// A CPU's local time: picoseconds and the fraction of one left over from cycles that are no whole picoseconds, so that
/// no sum of prices ever drifts.
class LocalClock {
public:
    explicit LocalClock(CycleLength length) : length_(length) {}

    Time now() const { return at_; }
    CycleLength cycle_length() const { return length_; }

    void add(const Price& p) { *this = after(p); }
    /// The clock as it will be when `p` has been paid.
    LocalClock after(const Price& p) const {
        LocalClock c = *this;
        c.at_ += Duration{p.whole_ps};
        c.fraction_ += p.fraction;
        if (c.fraction_ >= length_.ps_den) {
            c.fraction_ -= length_.ps_den;
            c.at_ += Duration{1};
        }
        return c;
    }
    /// Moves to a later instant given from outside (a grant, an interrupt): the phase restarts there.
    void move_to(Time at) {
        if (at > at_) {
            at_ = at;
            fraction_ = 0;
        }
    }

    /// Moves as far as another clock of this cycle length went on its way from `from` to `to`, exactly.
    void shift(const LocalClock& from, const LocalClock& to) {
        at_ += to.at_ - from.at_;
        fraction_ += to.fraction_;
        if (fraction_ < from.fraction_) {
            fraction_ += length_.ps_den;
            at_ -= Duration{1};
        }
        fraction_ -= from.fraction_;
        if (fraction_ >= length_.ps_den) {
            fraction_ -= length_.ps_den;
            at_ += Duration{1};
        }
    }
    /// Stands still for `d`; the phase stays.
    void delay(Duration d) { at_ += d; }

private:
    CycleLength length_;
    Time at_ = kBoot;
    std::uint64_t fraction_ = 0;
};

/// The price list of a machine: name -> cycles with the source of each figure. Read from a cost-table file by lab/.
/// Copies share what they hold until one is changed: each run of a hunt has one.
class CostTable {
public:
    struct Entry {
        Cycles cycles;
        std::string source;
    };

    CostTable() = default;
    void set(std::string name, Cycles cycles, std::string source) {
        if (entries_.use_count() != 1)
            entries_ = std::make_shared<Entries>(*entries_);
        (*entries_)[std::move(name)] = Entry{cycles, std::move(source)};
    }
    /// Null if the table has no such price.
    const Entry* find(std::string_view name) const {
        const auto it = entries_->find(name);
        return it == entries_->end() ? nullptr : &it->second;
    }

private:
    using Entries = std::map<std::string, Entry, std::less<>>;
    std::shared_ptr<Entries> entries_ = std::make_shared<Entries>();
};

}  // namespace ticklab::sim
