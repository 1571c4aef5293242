#include "ticklab/lab/bisect/bisect.hpp"

#include <algorithm>
#include <stdexcept>

#include "ticklab/sim/change_set.hpp"

namespace ticklab::lab {
namespace {

using Flags = std::vector<bool>;
using Settings = sim::KernelDecl::Settings;

/// A kernel to try: its version, and what differs from it.
struct KernelPick {
    std::string version;
    std::vector<std::string> without, with;
};

class Bisector {
public:
    Bisector(const ScenarioLoader& loader, const std::string& file, const nlohmann::json& document,
             const Scenario& scenario, const BisectOptions& options, const BisectObserver& observer)
        : loader_(loader),
          file_(file),
          document_(document),
          scenario_(scenario),
          decl_(*scenario.kernel),
          options_(options),
          observer_(observer) {}

    Bisection go() {
        if (!over_releases(usable_releases()) && result_.end == BisectEnd::kFound && !over_lists())
            result_.end = BisectEnd::kNoDifference;
        if (observer_.interrupted())
            result_.end = BisectEnd::kInterrupted;
        return std::move(result_);
    }

private:
    KernelPick own(const std::string& version) const {
        return {version, scenario_.settings.without, scenario_.settings.with};
    }

    std::optional<Scenario> load(const KernelPick& pick) const {
        nlohmann::json document = document_;
        nlohmann::json& kernel = document["kernel"];
        kernel["version"] = pick.version;
        kernel["without"] = pick.without;
        kernel["with"] = pick.with;
        std::vector<InputError> errors;
        std::optional<Scenario> scenario = loader_.load_text(file_, document.dump(), {}, errors);
        if (!scenario)
            return std::nullopt;
        try {
            const Experiment fits(*scenario, {});
        } catch (const std::invalid_argument&) {
            return std::nullopt;
        }
        return scenario;
    }

    std::vector<KernelPick> usable_releases() const {
        const auto place = [this](const std::string& version) {
            const auto at = std::find(decl_.versions.begin(), decl_.versions.end(), version);
            if (at == decl_.versions.end())
                throw std::invalid_argument("\"" + version + "\" is no version of this kernel");
            return at;
        };
        const auto first = options_.from.empty() ? decl_.versions.begin() : place(options_.from);
        const auto last = options_.to.empty() ? std::prev(decl_.versions.end()) : place(options_.to);
        if (first > last)
            throw std::invalid_argument("version " + options_.from + " comes after " + options_.to);
        std::vector<KernelPick> releases;
        for (auto version = first; version <= last; ++version) {
            KernelPick pick = own(std::string(*version));
            if (load(pick))
                releases.push_back(std::move(pick));
            else if (*version == options_.from || *version == options_.to)
                throw std::invalid_argument("version " + std::string(*version) + " does not take the scenario");
        }
        if (releases.empty())
            throw std::invalid_argument("no version takes the scenario");
        return releases;
    }

    /// Nothing if it does not load, is passed over, or the user interrupts.
    std::optional<bool> fails(const KernelPick& pick) {
        const std::optional<Scenario> scenario = load(pick);
        if (!scenario || observer_.interrupted())
            return std::nullopt;
        BisectTrial trial;
        trial.version = pick.version;
        trial.without = pick.without;
        trial.with = pick.with;
        HuntOptions options = options_.hunt;
        options.stop_after = options_.check.empty() ? 1 : 0;
        HuntObserver watcher;
        watcher.interrupted = [&] { return trial.failed() || observer_.interrupted(); };
        watcher.progress = [](const HuntResult&) {};
        watcher.failed = [&](const HuntFailure& failure) {
            const bool counts = options_.check.empty() || failure.check == options_.check;
            if (!counts && !trial.check.empty())
                return;
            trial.check = failure.check;
            trial.message = failure.message;
            trial.seed = failure.seed;
            trial.passed_over = !counts;
        };
        trial.runs = hunt(*scenario, options, watcher).runs;
        if (observer_.interrupted())
            return std::nullopt;
        observer_.tried(trial);
        result_.trials.push_back(trial);
        return trial.passed_over ? std::nullopt : std::optional(trial.failed());
    }

    /// Whether the releases differ.
    bool over_releases(std::vector<KernelPick> releases) {
        std::optional<bool> first, last;
        while (releases.size() > 1 && !(first = fails(releases.front())) && !observer_.interrupted())
            releases.erase(releases.begin());
        while (releases.size() > 1 && !(last = fails(releases.back())) && !observer_.interrupted())
            releases.pop_back();
        if (!first || !last || *first == *last || !halve(releases, *first))
            return false;
        between(releases[0], releases[1], *last);
        return true;
    }

    /// Whether what the document leaves out and puts in makes the difference.
    bool over_lists() {
        const Settings& settings = scenario_.settings;
        if (settings.without.empty() && settings.with.empty())
            return false;
        const std::string version = settings.version.empty() ? std::string(decl_.versions.back()) : settings.version;
        const KernelPick plain{version, {}, {}};
        const KernelPick as_is = own(version);
        const std::optional<bool> first = fails(plain);
        const std::optional<bool> last = fails(as_is);
        if (!first || !last || *first == *last)
            return false;
        between(plain, as_is, *last);
        return true;
    }

    /// Leaves the two picks between which the outcome turns; the first one's is `before`, the last one's the other.
    /// What is passed over goes. False if the user interrupts.
    bool halve(std::vector<KernelPick>& picks, bool before) {
        while (picks.size() > 2) {
            const auto middle = picks.begin() + static_cast<std::ptrdiff_t>(picks.size() / 2);
            const std::optional<bool> outcome = fails(*middle);
            if (observer_.interrupted())
                return false;
            if (!outcome)
                picks.erase(middle);
            else if (*outcome == before)
                picks.erase(picks.begin(), middle);
            else
                picks.erase(std::next(middle), picks.end());
        }
        return true;
    }

    Flags in_force(const KernelPick& pick) const {
        Settings settings = scenario_.settings;
        settings.version = pick.version;
        settings.without = pick.without;
        settings.with = pick.with;
        return sim::changes_in_force(decl_.changes, decl_.versions, settings).flags;
    }

    /// A kernel of that version that has exactly these changes.
    KernelPick pick_of(const std::string& version, const Flags& wanted) const {
        const Flags plain = in_force({version, {}, {}});
        KernelPick pick{version, {}, {}};
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (wanted[i] != plain[i])
                (wanted[i] ? pick.with : pick.without).emplace_back(decl_.changes[i].id);
        return pick;
    }

    void between(const KernelPick& before, const KernelPick& after, bool fails_after) {
        result_.before = before.version;
        result_.after = after.version;
        result_.fails_after = fails_after;
        const Flags to = in_force(after);
        std::vector<KernelPick> picks{before};
        for (Flags now = in_force(before); now != to; now = in_force(picks.back()))
            picks.push_back(next_step(after.version, now, to));
        if (!halve(picks, !fails_after))
            return;
        const Flags off = in_force(picks[0]), on = in_force(picks[1]);
        for (std::size_t i = 0; i < to.size(); ++i)
            if (off[i] != on[i]) {
                if (result_.changes.empty())
                    result_.put_in = on[i];
                result_.changes.push_back(&decl_.changes[i]);
            }
    }

    /// One change nearer to `to`, or all the way if none can be toggled alone.
    KernelPick next_step(const std::string& version, const Flags& now, const Flags& to) const {
        for (std::size_t i = 0; i < now.size(); ++i) {
            if (now[i] == to[i])
                continue;
            Flags next = now;
            next[i] = to[i];
            KernelPick pick = pick_of(version, next);
            if (in_force(pick) == next && load(pick))
                return pick;
        }
        return pick_of(version, to);
    }

    const ScenarioLoader& loader_;
    const std::string& file_;
    const nlohmann::json& document_;
    const Scenario& scenario_;
    const sim::KernelDecl& decl_;
    const BisectOptions& options_;
    const BisectObserver& observer_;
    Bisection result_;
};

}  // namespace

Bisection bisect(const ScenarioLoader& loader, const std::string& file, const nlohmann::json& document,
                 const Scenario& scenario, const BisectOptions& options, const BisectObserver& observer) {
    return Bisector(loader, file, document, scenario, options, observer).go();
}

}  // namespace ticklab::lab
