// HP 4, HP 5, HP-I2, HP-P1: random register writes against a slow model that counts tick by tick.
#include <rapidcheck.h>

#include <algorithm>

#include "hpet_bench.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::hpet_timer_bits;

namespace {

// The slow truth. It knows no instants of matches, no distances and no modular inverse: it adds one to the counter and
// looks.
class TickByTick {
public:
    struct Timer {
        std::uint64_t config = 0, comparator = 0, compared = 0, period = 0;
        bool val_set = false, fresh = false, spent = false, ignoring = false, ignore_next = false, status = false,
             line = false;
        unsigned line_pin = 0;
        std::int64_t load_in = 0;
    };

    TickByTick(const HpetParams& params, std::int64_t lenient, std::int64_t post_delay, std::int64_t first_ignored)
        : params_(params), lenient_(lenient != 0), post_delay_(post_delay), first_ignored_(first_ignored != 0) {
        counter = params.counter_start;
        for (unsigned n = 0; n < params.timers.size(); ++n)
            timers.push_back({});
        for (Timer& t : timers)
            t.comparator = t.compared = ones(t);
    }

    std::uint64_t counter = 0;
    bool enabled = false, legacy = false;
    std::vector<Timer> timers;
    std::vector<HpetOutput> outputs;
    std::uint64_t match_count = 0;

    void advance(std::int64_t to_ps) {
        while (enabled && (next_tick_fs_ + 999) / 1000 <= to_ps) {
            now_ = kBoot + Duration{(next_tick_fs_ + 999) / 1000};
            next_tick_fs_ += static_cast<std::int64_t>(params_.period_fs);
            tick();
        }
        now_ = kBoot + Duration{to_ps};
    }
    void write_general(std::uint64_t value) {
        const bool was_legacy = legacy;
        const bool enable = (value & 1) != 0;
        legacy = (value & 2) != 0;
        if (enable && !enabled) {
            next_tick_fs_ = ps(now_) * 1000 + static_cast<std::int64_t>(params_.period_fs);
            for (Timer& t : timers)
                t.spent = false;
        }
        enabled = enable;
        for (Timer& t : timers)
            if (!enabled) {
                t.ignoring = t.ignore_next = false;
                if (t.load_in > 0)
                    load(t);
            }
        if (legacy && !was_legacy)
            outputs.push_back({now_, "legacy on", 0, 0, 0});
        lines();
        if (!legacy && was_legacy)
            outputs.push_back({now_, "legacy off", 0, 0, 0});
    }
    void write_counter(std::uint64_t value, bool low, bool high) {
        if (!enabled)
            replace_halves(counter, value, low, high && params_.counter_bits == 64);
    }
    void write_status(std::uint64_t value) {
        for (unsigned n = 0; n < timers.size(); ++n)
            if ((value >> n & 1) != 0)
                timers[n].status = false;
        lines();
    }
    void write_config(unsigned n, std::uint64_t value) {
        Timer& t = timers[n];
        const bool size64 = params_.timers[n].size64_capable && params_.counter_bits == 64;
        const std::uint64_t pin = value >> 9 & 31;
        const std::uint64_t old_pin = t.config >> 9 & 31;
        t.config = value & (kLevel | kIntEnable | kFsbEnable);
        t.config |= (params_.timers[n].route_capable >> pin & 1) != 0 ? pin << 9 : old_pin << 9;
        if (params_.timers[n].periodic_capable)
            t.config |= value & kPeriodic;
        if (size64)
            t.config |= value & k32Mode;
        t.val_set = (value & kValSet) != 0;
        for (std::uint64_t* reg : {&t.comparator, &t.compared, &t.period})
            *reg &= ones(t);
        if ((t.config & kLevel) == 0)
            t.status = false;
        lines();
    }
    void write_comparator(unsigned n, std::uint64_t value, bool low, bool high) {
        Timer& t = timers[n];
        high = high && ones(t) > 0xffff'ffff;
        if (!low && !high)
            return;
        const bool periodic = (t.config & kPeriodic) != 0;
        const bool val_set = t.val_set;
        t.val_set = false;
        bool comparator = !periodic || val_set;
        bool period = periodic && !val_set;
        if (params_.period_model == HpetPeriodModel::kPermissive)
            period = true;
        if (params_.period_model == HpetPeriodModel::kBothAlways)
            comparator = period = true;
        if (period)
            replace_halves(t.period, value, low, high);
        if (!comparator)
            return;
        replace_halves(t.comparator, value, low, high);
        t.ignore_next = first_ignored_ && periodic && val_set && enabled;
        t.load_in = enabled ? post_delay_ : 0;
        if (t.load_in == 0)
            load(t);
    }
    std::uint64_t status() const {
        std::uint64_t bits = 0;
        for (unsigned n = 0; n < timers.size(); ++n)
            bits |= std::uint64_t{timers[n].status} << n;
        return bits;
    }

private:
    std::uint64_t ones(const Timer& t) const {
        const bool size64 = params_.timers[static_cast<std::size_t>(&t - timers.data())].size64_capable;
        return size64 && params_.counter_bits == 64 && (t.config & k32Mode) == 0 ? ~std::uint64_t{0} : 0xffff'ffff;
    }
    static void replace_halves(std::uint64_t& reg, std::uint64_t value, bool low, bool high) {
        if (low)
            reg = (reg >> 32 << 32) | (value & 0xffff'ffff);
        if (high)
            reg = (reg & 0xffff'ffff) | (value >> 32 << 32);
    }
    void load(Timer& t) {
        t.compared = t.comparator & ones(t);
        t.load_in = 0;
        t.ignoring = t.ignore_next;
        t.fresh = !t.ignoring;
        t.spent = false;
    }
    bool is_behind(const Timer& t) const {
        if (ones(t) == 0xffff'ffff)
            return static_cast<std::int32_t>(static_cast<std::uint32_t>(t.compared - counter)) <= 0;
        return static_cast<std::int64_t>(t.compared - counter) <= 0;
    }
    unsigned pin(unsigned n) const {
        if (legacy && n == 0)
            return 2;
        return legacy && n == 1 ? 8 : static_cast<unsigned>(timers[n].config >> 9 & 31);
    }
    void lines() {
        std::vector<bool> want;
        for (const Timer& t : timers)
            want.push_back(t.status && enabled &&
                           (t.config & (kLevel | kIntEnable | kFsbEnable)) == (kLevel | kIntEnable));
        for (unsigned n = 0; n < timers.size(); ++n)
            if (timers[n].line && (!want[n] || pin(n) != timers[n].line_pin)) {
                timers[n].line = false;
                outputs.push_back({now_, "drop", timers[n].line_pin, n, 0});
            }
        for (unsigned n = 0; n < timers.size(); ++n)
            if (!timers[n].line && want[n]) {
                timers[n].line = true;
                timers[n].line_pin = pin(n);
                outputs.push_back({now_, "raise", pin(n), n, 0});
            }
    }
    void interrupt(unsigned n) {
        Timer& t = timers[n];
        ++match_count;
        if ((t.config & kLevel) != 0)
            t.status = true;
        if ((t.config & kIntEnable) == 0)
            return;
        if ((t.config & kFsbEnable) != 0)
            outputs.push_back({now_, "message", 0, 0, 0});
        else if ((t.config & kLevel) != 0)
            lines();
        else
            outputs.push_back({now_, "edge", pin(n), n, 0});
    }
    void tick() {
        std::vector<bool> late;
        for (const Timer& t : timers)
            late.push_back(lenient_ && t.fresh && is_behind(t));
        ++counter;
        if (params_.counter_bits == 32)
            counter &= 0xffff'ffff;
        for (unsigned n = 0; n < timers.size(); ++n) {
            Timer& t = timers[n];
            const bool wrapped = (counter & ones(t)) == 0;
            if (wrapped)
                t.ignoring = false;
            bool match = late[n];
            // A value that arrives at the tick of the wrap has not waited for that wrap.
            const bool arrives = t.load_in > 0 && --t.load_in == 0;
            if (arrives) {
                load(t);
                match = false;
            }
            match = match || ((counter & ones(t)) == (t.compared & ones(t)) && !t.ignoring);
            const bool one_shot32 = (t.config & kPeriodic) == 0 && ones(t) == 0xffff'ffff;
            if (params_.irq_at_wrap && one_shot32) {
                match = match && !t.spent;
                if (wrapped && !match && !t.spent && !arrives) {
                    interrupt(n);
                    continue;
                }
            }
            if (!match)
                continue;
            t.fresh = false;
            t.spent = (t.config & kPeriodic) == 0;
            if ((t.config & kPeriodic) != 0) {
                t.compared = (t.compared + t.period) & ones(t);
                if (t.load_in == 0)
                    t.comparator = t.compared;
                t.fresh = t.period != 0;
            }
            interrupt(n);
        }
    }

    HpetParams params_;
    bool lenient_;
    std::int64_t post_delay_;
    bool first_ignored_;
    Time now_ = kBoot;
    std::int64_t next_tick_fs_ = 0;
};

template <class T>
T any(T from, T below) {
    return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(from, below));
}

HpetParams any_params() {
    HpetParams p(3);
    p.period_fs = any<std::uint64_t>(kHpetMinPeriodFs, 100'000);
    p.counter_bits = any(0, 3) == 0 ? 32 : 64;
    constexpr std::uint64_t kStarts[] = {0, 0xffff'ffff, 0x5'ffff'ffff, ~std::uint64_t{0}};
    p.counter_start = kStarts[any(0, 4)] - any<std::uint64_t>(0, 40);
    if (p.counter_bits == 32)
        p.counter_start &= 0xffff'ffff;
    p.period_model = static_cast<HpetPeriodModel>(any(0, 3));
    p.irq_at_wrap = any(0, 4) == 0;
    p.timers[1].periodic_capable = true;
    p.timers[2].size64_capable = false;
    return p;
}

// Writes to the device, and into the log that a failing case shows.
void write_logged(HpetBench& b, std::uint32_t offset, std::uint64_t value, unsigned bytes) {
    RC_LOG() << ps(b.now) << " ps, counter " << std::hex << b.hpet.counter(b.now) << ": write " << offset
             << " := " << value << std::dec << ", " << bytes << " bytes\n";
    b.write(offset, value, bytes);
}

// One random access to both; values close to the counter, so that something happens.
void write_something(HpetBench& b, TickByTick& truth) {
    const auto n = any(0u, 3u);
    const bool low = any(0, 4) != 0;
    const bool high = !low || any(0, 2) == 0;
    const std::uint32_t at = low ? 0 : 4;
    const unsigned bytes = low && high ? 8 : 4;
    const auto in_place = [&](std::uint64_t value) { return low ? value : value >> 32; };
    switch (any(0, 10)) {
        case 0: {
            const auto value = any<std::uint64_t>(0, 4);
            truth.write_general(value);
            write_logged(b, kConfig, value, 4);
            break;
        }
        case 1: {
            const auto value = any<std::uint64_t>(0, 8);
            truth.write_status(value);
            write_logged(b, kStatus, value, 4);
            break;
        }
        case 2: {
            const std::uint64_t value = truth.timers[n].compared - any<std::uint64_t>(0, 10);
            truth.write_counter(value, low, high);
            write_logged(b, kCounter + at, in_place(value), bytes);
            break;
        }
        case 3:
        case 4:
        case 5: {
            std::uint64_t value = route(any(19u, 22u));
            for (const std::uint64_t bit : {kLevel, kIntEnable, kPeriodic, kValSet, k32Mode, kFsbEnable})
                value |= any(0, 3) == 0 ? bit : 0;
            value |= any(0, 3) != 0 ? kIntEnable : 0;
            truth.write_config(n, value);
            write_logged(b, timer_config(n), value, any(0, 2) == 0 ? 4 : 8);
            break;
        }
        default: {
            const bool small = (truth.timers[n].config & kPeriodic) != 0 && !truth.timers[n].val_set;
            const std::uint64_t value =
                small ? any<std::uint64_t>(0, 30) : truth.counter + any<std::uint64_t>(0, 40) - 8;
            truth.write_comparator(n, value, low, high);
            write_logged(b, timer_comparator(n) + at, in_place(value), bytes);
        }
    }
}

}  // namespace

TEST_CASE("HP 4, HP 5: any sequence of register writes has the outputs of counting tick by tick") {
    CHECK(rc::check([] {
        const HpetParams p = any_params();
        const std::int64_t lenient = any(0, 3) == 0;
        const std::int64_t post_delay = any(0, 3) == 0 ? any(1, 12) : 0;
        const std::int64_t first_ignored = any(0, 4) == 0;
        RC_LOG() << "period " << p.period_fs << " fs, " << p.counter_bits << " bits, model "
                 << static_cast<int>(p.period_model) << ", irq_at_wrap " << p.irq_at_wrap << ", lenient " << lenient
                 << ", post_delay " << post_delay << ", first_ignored " << first_ignored << "\n";
        HpetBench b(p);
        b.hpet.set_fault(kBoot, HpetFault::kLenientMatch, lenient, {});
        b.hpet.set_fault(kBoot, HpetFault::kPostDelay, post_delay, {});
        b.hpet.set_fault(kBoot, HpetFault::kFirstPeriodicIgnored, first_ignored, {});
        TickByTick truth(p, lenient, post_delay, first_ignored);
        b.write(kConfig, 1);
        truth.write_general(1);
        std::uint64_t ticks_seen = 0;
        for (int step = 0; step < 60; ++step) {
            const Duration gap{any<std::int64_t>(0, static_cast<std::int64_t>(p.period_fs) / 1000 * 25)};
            // Half of the time the access comes while the engine still is in the past.
            if (any(0, 2) == 0)
                b.run_until(b.now + gap);
            else
                b.now += gap;
            truth.advance(ps(b.now));
            RC_ASSERT(b.read(kCounter) == truth.counter);
            ticks_seen += truth.outputs.size();
            RC_ASSERT(b.outputs.seen == truth.outputs);
            RC_ASSERT(b.read(kStatus) == truth.status());
            for (unsigned n = 0; n < 3; ++n)
                RC_ASSERT(b.read(timer_comparator(n)) == truth.timers[n].comparator);
            write_something(b, truth);
            RC_ASSERT(b.outputs.seen == truth.outputs);
        }
        RC_ASSERT(b.records_of(kHpetMatch).size() == truth.match_count);
        RC_TAG(ticks_seen == 0 ? "silent" : "with outputs");
    }));
}
