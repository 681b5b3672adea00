// Reads passes with KDE's KPkPass, as Itinerary does: `read_pass FILE...` prints one JSON line for each.
#include <KPkPass/Barcode>
#include <KPkPass/Field>
#include <KPkPass/Pass>

#include <QColor>
#include <QCoreApplication>
#include <QImage>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTextStream>
#include <QUrl>

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    QTextStream out(stdout);
    out.setCodec("UTF-8");
    for (int i = 1; i < argc; ++i) {
        std::unique_ptr<KPkPass::Pass> pass(KPkPass::Pass::fromFile(QString::fromLocal8Bit(argv[i])));
        if (!pass || pass->barcodes().isEmpty()) {
            out << "{}\n";
            continue;
        }
        QJsonObject fields, sizes;
        for (const auto &field : pass->fields()) {
            fields[field.key()] = field.valueDisplayString();
        }
        for (const QString &name : {QStringLiteral("icon"), QStringLiteral("logo"), QStringLiteral("strip")}) {
            const QImage image = pass->image(name, 2);
            sizes[name] = QStringLiteral("%1x%2").arg(image.width()).arg(image.height());
        }
        out << QJsonDocument(QJsonObject{
                                 {"is_store_card", pass->type() == KPkPass::Pass::StoreCard},
                                 {"serial", pass->serialNumber()},
                                 {"organization", pass->organizationName()},
                                 {"barcode", pass->barcodes().first().message()},
                                 {"background", pass->backgroundColor().name()},
                                 {"update_url", pass->passUpdateUrl().toString()},
                                 {"fields", fields},
                                 {"images", sizes},
                             })
                   .toJson(QJsonDocument::Compact)
            << "\n";
    }
    return 0;
}
