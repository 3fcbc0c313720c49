// What the demo does not have, and pages need to have something to show: everybody who looks, a question, a batch that waits.

import { account, asked, district, logIn, phoneIn, RECORD } from "./window.mjs";

/** Those who look at pages: three whom the demo gives away, an auditor, one whose hamlet has nothing yet, a team's member. */
export const WHO = ["leader", "admin", "official", "auditor", "newcomer", "member"];

let made;
/** Makes it, once: `paths` are what is worth a look beside the first of each kind, for each of those who look. */
export function scene(t) {
  made ??= make(t);
  return made;
}

async function make(t) {
  const { admin, phone, hamlet, commune, member } = await phoneIn(t);
  const { units } = await asked(admin, "GET", "/v1/units");
  const top = units.find((unit) => unit.level === "province");
  district.logins.auditor = await withPassword(admin, "Lê Văn Kiểm", "auditor", top.id);
  const fresh = { change: "create", level: "hamlet", name: "Thôn Mới", code: "15349.99", parent: commune.id, on: today() };
  const { new: [empty] } = await asked(admin, "POST", "/v1/units/changes", fresh);
  district.logins.member = await withPassword(admin, "Trịnh Thị Tổ", "member", hamlet.id);
  district.logins.newcomer = await withPassword(admin, "Phạm Thị Mới", "official", empty);

  // Recorded while the role was held, sent when it was not any more.
  const { id: record } = await phone.do("record", ...RECORD, "--citizen-name", "Nguyễn Văn Á", "--note", "Đến tận nhà");
  await phone.do("sync");
  await phone.do("amend", record, "--people", "3");
  await phone.do("sync");
  await phone.do("record", ...RECORD, "--citizen-name", "Hoàng Thị Ả");
  await asked(admin, "POST", `/v1/accounts/${member.account}/roles/end`, { role: "member", unit: hamlet.id, on: today() });
  await phone.do("sync");

  const leader = await logIn(t, "leader");
  for (const kind of ["question", "please_correct", "verified"]) {
    const words = kind === "verified" ? undefined : "Xin ghi rõ thủ tục nào đã làm xong.";
    await asked(leader, "POST", "/v1/remarks", { record, kind, words });
  }
  const one = `unit=${hamlet.id}`;
  return {
    paths: {
      leader: [`/records/${record}`, `/records?${one}`, `/charts?${one}`, `/report?${one}`, `/units/${hamlet.id}`,
        "/records?from=2030-01-01", "/remarks?all=true", "/quarantine?state=decided", "/conflicts?state=settled"],
      admin: [`/records/${record}`, `/accounts/${member.account}`, `/units/${commune.id}`, `/accounts/sheet?unit=${commune.id}`,
        `/phones?${one}`, `/units/${empty}`, "/units?on=2023-12-31"],
      official: ["/directives/new"],
      auditor: [],
      newcomer: [],
      member: [],
    },
  };
}

/** The day in Vietnam. */
export function today() {
  return new Date().toLocaleDateString("sv-SE", { timeZone: "Asia/Ho_Chi_Minh" });
}

/** Somebody who can log in. */
async function withPassword(admin, name, role, unit) {
  const made = await account(admin, name, role, unit);
  const { code } = await asked(admin, "POST", `/v1/accounts/${made.account}/reset`);
  const password = "mật khẩu để thử";
  await asked(admin, "POST", "/v1/password/reset", { code, new: password });
  return { username: made.username, password };
}
