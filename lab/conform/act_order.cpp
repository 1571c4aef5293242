#include "ticklab/lab/conform/act_order.hpp"

#include <algorithm>
#include <optional>

namespace ticklab::lab {

using linux_::tmigr::activated;
using linux_::tmigr::ChildMask;
using linux_::tmigr::deactivated;
using linux_::tmigr::GroupState;
using linux_::tmigr::kNoMigrator;
using sim::CpuId;

namespace {

constexpr std::size_t kNoEvent = static_cast<std::size_t>(-1);
constexpr int kNoGroup = -1;
/// How far back a place for an act is looked for, in events.
constexpr std::size_t kReach = 600;

bool is_null(const std::string& pointer) { return pointer.find_first_not_of('0') == std::string::npos; }

enum class ActKind : std::uint8_t { kNone, kActivation, kDeactivation, kSample };

/// That a CPU was found to be responsible for a group, or not.
struct Ask {
    int group;
    ChildMask mask;
    bool responsible;
};

/// What an event shows of the groups' states.
struct Act {
    ActKind kind = ActKind::kNone;
    int group = kNoGroup;
    int child = kNoGroup;
    ChildMask mask = 0;
    GroupState shown;             ///< of an exchange; of a sample the active children alone
    ChildMask child_active = 0;   ///< of a sample
    int found_active = kNoGroup;  ///< a group that was found active before, which left no record
    std::vector<Ask> asks;
};

/// Reads off the events what their acts found.
class ActReader {
public:
    ActReader(std::span<const FtraceEvent> events, RecordedTree& tree) : events_(events), tree_(tree) {}

    std::vector<Act> read() {
        std::vector<Act> acts(events_.size());
        link();
        for (std::size_t i = 0; i < events_.size(); ++i)
            acts[i] = act(i);
        return acts;
    }
    int group_count() const { return static_cast<int>(groups_.size()); }

private:
    struct CpuBefore {
        /// The group that a remote expiry is at, and the CPU's bit there.
        int pulled = kNoGroup;
        std::string pulled_name;
        ChildMask mask = 0;
        bool root = false;
        bool asked = false;  ///< whether it is responsible there, since it has come there or has expired somebody
        /// The child of a deactivation that has changed its parent, and left no update there yet.
        int left = kNoGroup;
        std::string at;  ///< the group of its last exchange
    };

    void link() {
        next_.assign(events_.size(), kNoEvent);
        std::map<CpuId, std::size_t> later;
        for (std::size_t i = events_.size(); i-- > 0;) {
            if (!events_[i].name.starts_with("tmigr_") && !events_[i].is("softirq_exit"))
                continue;
            const auto [at, fresh] = later.try_emplace(events_[i].cpu, i);
            next_[i] = fresh ? kNoEvent : at->second;
            at->second = i;
        }
    }

    int index(const std::string& pointer) {
        return is_null(pointer) ? kNoGroup
                                : groups_.try_emplace(pointer, static_cast<int>(groups_.size())).first->second;
    }

    Act act(std::size_t i) {
        const FtraceEvent& e = events_[i];
        CpuBefore& b = before_[e.cpu];
        Act a;
        tree_.note(e);
        if (e.is("softirq_exit")) {
            // It ended below the root: somebody else was responsible.
            if (b.pulled != kNoGroup && !b.asked && !b.root)
                ask(a, b, false);
            b.pulled = kNoGroup;
            return a;
        }
        if (!e.name.starts_with("tmigr_"))
            return a;
        const bool sample = e.is("tmigr_update_events");
        if (!(sample && index(e.text("child")) == b.left))
            a.found_active = b.left;
        b.left = kNoGroup;
        if (e.is("tmigr_group_set_cpu_active") || e.is("tmigr_group_set_cpu_inactive")) {
            exchange(a, e, b);
            if (a.kind == ActKind::kDeactivation)
                b.left = a.child;
        } else if (sample) {
            b.asked = false;
            a.kind = ActKind::kSample;
            a.group = index(e.text("group"));
            a.child = index(e.text("child"));
            a.shown.active = static_cast<ChildMask>(e.number("group_active", 16));
            a.child_active = static_cast<ChildMask>(e.number("child_active", 16));
        } else if (e.is("tmigr_handle_remote_cpu")) {
            if (b.pulled != kNoGroup && !b.asked)
                ask(a, b, true);
        } else if (e.is("tmigr_handle_remote")) {
            if (e.number("lvl") != 0 && b.pulled != kNoGroup && !b.asked)
                ask(a, b, true);
            pull(b, e);
            if (b.pulled != kNoGroup)
                ask_here(a, i, b);
        } else {
            b.pulled = kNoGroup;
        }
        return a;
    }

    void exchange(Act& a, const FtraceEvent& e, CpuBefore& b) {
        a.kind = e.is("tmigr_group_set_cpu_active") ? ActKind::kActivation : ActKind::kDeactivation;
        a.group = index(e.text("group"));
        a.mask = static_cast<ChildMask>(e.number("childmask", 16));
        a.shown.active = static_cast<ChildMask>(e.number("active", 16));
        a.shown.migrator = static_cast<ChildMask>(e.number("migrator", 16));
        if (const RecordedTree::Place* const place = tree_.of_group(b.at);
            e.number("lvl") != 0 && place && place->group == e.text("group") && place->mask == a.mask)
            a.child = index(b.at);
        b.at = e.text("group");
    }

    /// The model asks with the record that it comes to a group, what comes next on the CPU tells the answer.
    void ask_here(Act& a, std::size_t i, CpuBefore& b) const {
        const FtraceEvent* const next = next_[i] == kNoEvent ? nullptr : &events_[next_[i]];
        const bool goes_on = next && (next->is("tmigr_handle_remote_cpu") ||
                                      (next->is("tmigr_handle_remote") && next->number("lvl") != 0));
        if (goes_on || (next && next->is("softirq_exit") && !b.root))
            ask(a, b, goes_on);
    }

    static void ask(Act& a, CpuBefore& b, bool responsible) {
        b.asked = true;
        a.asks.push_back({b.pulled, b.mask, responsible});
    }

    void pull(CpuBefore& b, const FtraceEvent& e) {
        const RecordedTree::Place* const below =
            e.number("lvl") == 0 ? tree_.of_cpu(e.cpu) : tree_.of_group(b.pulled_name);
        b.pulled_name = e.text("group");
        b.pulled = below && below->group == b.pulled_name ? index(b.pulled_name) : kNoGroup;
        b.mask = below ? below->mask : ChildMask{0};
        b.root = tree_.of_group(b.pulled_name) == nullptr;
        b.asked = false;
    }

    std::span<const FtraceEvent> events_;
    RecordedTree& tree_;
    std::map<std::string, int, std::less<>> groups_;
    std::vector<std::size_t> next_;
    std::map<CpuId, CpuBefore> before_;
};

class OrderSearch {
public:
    OrderSearch(std::span<const FtraceEvent> events, RecordedTree& tree) : events_(events) {
        ActReader reader(events, tree);
        acts_ = reader.read();
        states_.resize(static_cast<std::size_t>(reader.group_count()));
        done_.resize(events.size());
        next_of_cpu_.assign(events.size(), kNoEvent);
        std::map<CpuId, std::size_t> later;
        for (std::size_t i = events.size(); i-- > 0;) {
            const auto [at, fresh] = later.try_emplace(events[i].cpu, i);
            next_of_cpu_[i] = fresh ? kNoEvent : at->second;
            at->second = i;
        }
        for (const auto& [cpu, first] : later)
            pending_[cpu] = first;
    }

    Reordered search() {
        Reordered result;
        for (std::size_t i = 0; i < events_.size(); ++i) {
            if (done_[i])
                continue;
            if (!finds(i)) {
                if (!settle(i))
                    ++result.unsettled;
                else if (done_[i])
                    continue;
            }
            perform(i);
        }
        for (const Done& d : log_)
            result.order.push_back(&events_[d.event]);
        result.moved = moved_;
        return result;
    }

private:
    struct Done {
        std::size_t event;
        std::optional<GroupState> before;  ///< of the group that its exchange has changed
    };
    using State = std::optional<GroupState>;

    const State& state(int group) const { return states_[static_cast<std::size_t>(group)]; }

    /// Whether act `i` finds now what it shows. What is not known is as it shows.
    bool finds(std::size_t i) const {
        const Act& a = acts_[i];
        if (a.found_active != kNoGroup && state(a.found_active) && state(a.found_active)->active == 0)
            return false;
        for (const Ask& ask : a.asks)
            if (const State& s = state(ask.group);
                s && (s->migrator == ask.mask || s->migrator == kNoMigrator) != ask.responsible)
                return false;
        if (a.kind == ActKind::kNone)
            return true;
        const bool child_known = a.child == kNoGroup || state(a.child).has_value();
        const ChildMask child_active = a.child != kNoGroup && state(a.child) ? state(a.child)->active : ChildMask{0};
        if (a.kind == ActKind::kSample)
            return (!state(a.group) || state(a.group)->active == a.shown.active) &&
                   (a.child == kNoGroup || !child_known || child_active == a.child_active);
        if (!state(a.group))
            return true;
        const GroupState now = *state(a.group);
        if (a.kind == ActKind::kActivation)
            return same(activated(now, a.mask), a.shown);
        return same(deactivated(now, a.mask, child_active != 0), a.shown) ||
               (!child_known && same(deactivated(now, a.mask, true), a.shown));
    }
    static bool same(const GroupState& a, const GroupState& b) {
        return a.active == b.active && a.migrator == b.migrator;
    }

    void perform(std::size_t i) {
        const Act& a = acts_[i];
        Done d{i, std::nullopt};
        if (a.kind == ActKind::kActivation || a.kind == ActKind::kDeactivation) {
            State& s = states_[static_cast<std::size_t>(a.group)];
            d.before = s;
            s = a.shown;
        }
        log_.push_back(d);
        done_[i] = true;
        pending_[events_[i].cpu] = next_of_cpu_[i];
    }

    std::size_t undo() {
        const Done d = log_.back();
        log_.pop_back();
        const Act& a = acts_[d.event];
        if (a.kind == ActKind::kActivation || a.kind == ActKind::kDeactivation)
            states_[static_cast<std::size_t>(a.group)] = d.before;
        done_[d.event] = false;
        pending_[events_[d.event].cpu] = d.event;
        return d.event;
    }

    bool share_lock(std::size_t i, std::size_t j) const {
        const Act &a = acts_[i], &b = acts_[j];
        if (a.kind != ActKind::kSample || b.kind != ActKind::kSample)
            return false;
        return a.group == b.group || a.group == b.child ||
               (a.child != kNoGroup && (a.child == b.group || a.child == b.child));
    }

    /// A place for an act: `back` events before the last one that is performed.
    struct Place {
        std::int64_t earlier_ns;  ///< than its record
        std::size_t act, back;
    };

    /// Moves one act forward so that act `i`, which is next, finds what it shows.
    bool settle(std::size_t i) {
        for (const Place& p : places(i))
            if (insert(p, i)) {
                ++moved_;
                return true;
            }
        return false;
    }

    /// Where act `i` and the next ones of other CPUs find what they show, the least shift first.
    std::vector<Place> places(std::size_t i) {
        std::vector<std::size_t> movable{i};
        for (const auto& [cpu, next] : pending_)
            if (next != kNoEvent && next != i && acts_[next].kind != ActKind::kNone)
                movable.push_back(next);
        std::vector<Place> found;
        std::vector<std::size_t> undone;
        for (std::size_t back = 0; back <= kReach; ++back) {
            const std::int64_t at_ns = events_[undone.empty() ? i : undone.back()].at_ns;
            for (const std::size_t f : movable)
                if ((back != 0 || f != i) && finds(f))
                    found.push_back({events_[f].at_ns - at_ns, f, back});
            if (log_.empty() || movable.empty())
                break;
            undone.push_back(undo());
            std::erase_if(movable, [&](std::size_t f) {
                return events_[f].cpu == events_[undone.back()].cpu || share_lock(f, undone.back());
            });
        }
        for (auto at = undone.rbegin(); at != undone.rend(); ++at)
            perform(*at);
        std::stable_sort(found.begin(), found.end(),
                         [](const Place& a, const Place& b) { return a.earlier_ns < b.earlier_ns; });
        return found;
    }

    /// Performs an act at its place, then what stood behind it: all have to find what they show, and act `i` after
    /// them. Else everything is as it was.
    bool insert(const Place& p, std::size_t i) {
        std::vector<std::size_t> behind;
        while (behind.size() < p.back)
            behind.push_back(undo());
        const std::size_t kept = log_.size();
        perform(p.act);
        bool good = true;
        for (auto at = behind.rbegin(); at != behind.rend() && good; ++at) {
            good = finds(*at);
            if (good)
                perform(*at);
        }
        if (good && (p.act == i || finds(i)))
            return true;
        while (log_.size() > kept)
            undo();
        for (auto at = behind.rbegin(); at != behind.rend(); ++at)
            perform(*at);
        return false;
    }

    std::span<const FtraceEvent> events_;
    std::vector<Act> acts_;
    std::vector<State> states_;
    std::vector<bool> done_;
    std::vector<std::size_t> next_of_cpu_;
    std::map<CpuId, std::size_t> pending_;
    std::vector<Done> log_;
    std::size_t moved_ = 0;
};

}  // namespace

void RecordedTree::note(const FtraceEvent& event) {
    const auto place = [&] {
        return Place{event.text("parent"), static_cast<ChildMask>(event.number("groupmask", 16))};
    };
    if (event.is("tmigr_connect_cpu_parent"))
        cpus_.insert_or_assign(static_cast<CpuId>(event.number("cpu")), place());
    else if (event.is("tmigr_connect_child_parent"))
        groups_.insert_or_assign(event.text("group"), place());
}

const RecordedTree::Place* RecordedTree::of_cpu(CpuId cpu) const {
    const auto at = cpus_.find(cpu);
    return at == cpus_.end() ? nullptr : &at->second;
}

const RecordedTree::Place* RecordedTree::of_group(const std::string& group) const {
    const auto at = groups_.find(group);
    return at == groups_.end() ? nullptr : &at->second;
}

Reordered order_of_acts(std::span<const FtraceEvent> events, RecordedTree& tree) {
    return OrderSearch(events, tree).search();
}

}  // namespace ticklab::lab
