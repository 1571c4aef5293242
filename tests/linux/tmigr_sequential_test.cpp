// TMM 5 to 12, one operation at a time, against a naive model that recomputes everything from who is awake and what
// each CPU has shown.
#include <rapidcheck.h>

#include <array>
#include <map>
#include <numeric>

#include "linux/tmigr_fixture.hpp"

using namespace ticklab;
using namespace ticklab::linux_;
using namespace ticklab::linux_::tmigr;
using namespace ticklab::linux_::tmigr::testing;

namespace {

/// Who is awake, and what each sleeping CPU has shown: nothing else decides what a quiet hierarchy looks like.
class Naive {
public:
    explicit Naive(HierarchyBench& bench)
        : bench_(bench), awake_(bench.config.cpu_count), shown_(bench.config.cpu_count, kKtimeMax) {}

    void wake(CpuId c) {
        awake_[c] = true;
        shown_[c] = kKtimeMax;
        settle();
    }
    void sleep(CpuId c, Ktime next) {
        awake_[c] = false;
        shown_[c] = next;
        settle();
    }
    void show(CpuId c, Ktime next) { shown_[c] = next; }
    bool awake(CpuId c) const { return awake_[c]; }
    bool anyone_awake() const { return std::find(awake_.begin(), awake_.end(), true) != awake_.end(); }
    Ktime first() const { return *std::min_element(shown_.begin(), shown_.end()); }

    void compare() {
        bench_.require_quiet();
        for (const auto& g : bench_.placement().groups()) {
            CAPTURE(g->lock.name());
            const GroupState s = g->peek_state();
            REQUIRE(s.active == active(*g));
            REQUIRE(s.migrator == migrators_[g.get()->object]);
            Ktime queued = kKtimeMax;
            for (const Event& e : g->events.peek())
                if (!e.ignore.peek())
                    queued = std::min(queued, e.expires.peek());
            REQUIRE(ns(queued) == ns(visible(*g)));
        }
    }

private:
    template <class Visit>
    void children(const Group& g, Visit visit) const {
        for (CpuId c = 0; c < bench_.config.cpu_count; ++c)
            if (bench_.placement().cpu(c).group.peek() == &g)
                visit(bench_.placement().cpu(c).groupmask.peek(), awake_[c], shown_[c]);
        for (const auto& other : bench_.placement().groups())
            if (other->parent.peek() == &g)
                visit(other->groupmask.peek(), active(*other) != 0, visible(*other));
    }
    ChildMask active(const Group& g) const {
        ChildMask mask = 0;
        children(g, [&](ChildMask m, bool is_active, Ktime) { mask |= is_active ? m : 0; });
        return mask;
    }
    /// The first event of children that sleep.
    Ktime visible(const Group& g) const {
        Ktime first = kKtimeMax;
        children(g, [&](ChildMask, bool is_active, Ktime t) { first = is_active ? first : std::min(first, t); });
        return first;
    }
    /// A migrator stays until it is inactive; the lowest child follows it.
    void settle() {
        for (const auto& g : bench_.placement().groups()) {
            const ChildMask now = active(*g);
            auto& migrator = migrators_.try_emplace(g->object, kNoMigrator).first->second;
            if (now == 0)
                migrator = kNoMigrator;
            else if (migrator == kNoMigrator || (now & migrator) == 0)
                migrator = lowest_bit(now);
        }
    }

    HierarchyBench& bench_;
    std::vector<bool> awake_;
    std::vector<Ktime> shown_;
    std::map<std::uint64_t, ChildMask> migrators_;
};

enum class Act { kSleep, kWake, kLook, kTime, kTimer, kLeave, kJoin, kForecast };

struct Player {
    HierarchyBench& b;
    Naive naive;
    std::vector<bool> available;

    explicit Player(HierarchyBench& bench) : b(bench), naive(bench), available(bench.config.cpu_count, true) {
        for (CpuId c = 0; c < bench.config.cpu_count; ++c)
            naive.wake(c);
    }
    bool idle(CpuId c) const { return b.timers(c).idle; }

    void perform(CpuId c, std::function<void(Cpu&)> body) {
        b.on(c, std::move(body));
        b.run();
    }

    /// A tick on every CPU that has one: those awake, and those whose clock event has come.
    void pass_time(std::int64_t ticks) {
        b.jiffies_now += ticks;
        for (CpuId c = 0; c < b.config.cpu_count; ++c) {
            if (idle(c) && b.timers(c).armed > edge(b.jiffies_now))
                continue;
            perform(c, [&, c](Cpu& cpu) {
                b.run_global(cpu, c);
                b.tick(cpu);
                if (idle(c))
                    b.look_again(cpu);
            });
        }
        for (CpuId c = 0; c < b.config.cpu_count; ++c) {
            REQUIRE(b.first_global(c) > edge(b.jiffies_now));
            if (idle(c) && available[c])
                naive.show(c, b.timers(c).global.empty() ? remembered(c) : b.first_global(c));
        }
    }
    /// What was shown and not expired stays shown although its timer may be gone.
    Ktime remembered(CpuId c) const {
        const Event& e = b.placement().cpu(c).cpuevt;
        return e.ignore.peek() || !e.queued() ? kKtimeMax : e.expires.peek();
    }

    void act(Act a, CpuId c, std::int64_t value) {
        const CpuId online = static_cast<CpuId>(std::count(available.begin(), available.end(), true));
        switch (a) {
            case Act::kSleep:
                if (idle(c))
                    return;
                perform(c, [&](Cpu& cpu) { b.go_idle(cpu); });
                if (available[c]) {
                    naive.sleep(c, b.first_global(c));
                    REQUIRE(ns(b.timers(c).armed) == ns(naive.anyone_awake() ? kKtimeMax : naive.first()));
                } else {
                    REQUIRE(ns(b.timers(c).armed) == ns(b.first_global(c)));
                }
                return;
            case Act::kWake:
                if (!idle(c))
                    return;
                perform(c, [&](Cpu& cpu) { b.leave_idle(cpu); });
                if (available[c])
                    naive.wake(c);
                return;
            case Act::kTimer:
                b.add_timer(c, b.jiffies_now + 1 + value);
                if (idle(c))
                    act(Act::kLook, c, 0);
                return;
            case Act::kLook: {
                if (!idle(c))
                    return;
                const Ktime before = b.placement().cpu(c).wakeup.peek();
                const bool news = b.first_global(c) != kKtimeMax && b.first_global(c) != remembered(c);
                perform(c, [&](Cpu& cpu) { b.look_again(cpu); });
                if (!available[c])
                    return;
                if (news) {
                    naive.show(c, b.first_global(c));
                    REQUIRE(ns(b.timers(c).armed) == ns(naive.anyone_awake() ? kKtimeMax : naive.first()));
                } else {
                    REQUIRE(b.timers(c).armed == before);
                }
                return;
            }
            case Act::kTime:
                pass_time(value % 4);
                return;
            case Act::kLeave:
                if (idle(c) || !available[c] || online == 1)
                    return;
                leave(c);
                return;
            case Act::kJoin:
                if (available[c] || idle(c))
                    return;
                b.control(c, [&](Cpu& cpu) { b.placement().set_available(cpu); });
                b.run();
                available[c] = true;
                naive.wake(c);
                return;
            case Act::kForecast:
                if (idle(c))
                    return;
                perform(c, [&](Cpu& cpu) {
                    const Ktime t = b.forecast(cpu);
                    // Alone awake, it must not sleep past anything; with others it need not care.
                    if (available[c] && naive_alone(c))
                        CHECK(ns(t) == ns(std::min(naive.first(), b.first_global(c))));
                });
                return;
        }
    }
    bool naive_alone(CpuId c) const {
        for (CpuId other = 0; other < b.config.cpu_count; ++other)
            if (other != c && naive.awake(other))
                return false;
        return true;
    }
    void leave(CpuId c) {
        naive.sleep(c, kKtimeMax);
        // Somebody is woken if nobody is awake and something is pending: the lowest CPU that takes part.
        const bool hands_over = !naive.anyone_awake() && naive.first() != kKtimeMax;
        b.idle_loop_leaves = true;
        b.control(c, [&](Cpu& cpu) { b.placement().clear_available(cpu); });
        b.run();
        b.idle_loop_leaves = false;
        available[c] = false;
        if (hands_over)
            naive.wake(static_cast<CpuId>(std::find(available.begin(), available.end(), true) - available.begin()));
    }
};

}  // namespace

TEST_CASE(
    "any sequence of operations leaves states, migrators, queues and wake-ups as recomputed, and no timer late "
    "(TMM 5 - 12, 14.1)") {
    struct Size {
        CpuId cpus;
        unsigned children;
        std::uint32_t nodes;
    };
    const std::array sizes{Size{2, 8, 1}, Size{4, 2, 1}, Size{7, 2, 1}, Size{9, 8, 1}, Size{8, 2, 2}, Size{12, 4, 2}};
    REQUIRE(rc::check([&] {
        const Size size = sizes[*rc::gen::inRange<std::size_t>(0, sizes.size())];
        HierarchyBench b(size.cpus, size.nodes);
        b.parameters.children = size.children;
        b.boot();
        Player player(b);
        player.naive.compare();
        const auto acts = *rc::gen::container<std::vector<std::tuple<int, CpuId, int>>>(rc::gen::tuple(
            rc::gen::weightedElement<int>({{4, 0}, {3, 1}, {2, 2}, {4, 3}, {4, 4}, {1, 5}, {1, 6}, {1, 7}}),
            rc::gen::inRange<CpuId>(0, size.cpus), rc::gen::inRange(0, 12)));
        for (const auto& [act, cpu, value] : acts) {
            player.act(static_cast<Act>(act), cpu, value);
            player.naive.compare();
        }
    }));
}
