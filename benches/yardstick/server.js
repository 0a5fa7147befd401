// A shop with nothing but a purchase: one row, locked with FOR UPDATE, and no order. `./makew bench
// --engine mariadb` compares Doorbuster with it. Where the description that it is rebuilt from
// leaves a choice open, this is the faster one: no log of statements, no columns for times.
//
// DATABASE_URL names the database, in which the table is created; STOCK and CONNECTIONS are the
// units of product 1 and the size of the pool.

import express from 'express';
import { DataTypes, Sequelize } from 'sequelize';

const url = new URL(process.env.DATABASE_URL);
const stock = Number(process.env.STOCK);
const connections = Number(process.env.CONNECTIONS);
const socketPath = url.searchParams.get('socket');

const sequelize = new Sequelize(url.pathname.slice(1), url.username, url.password, {
  dialect: 'mysql',
  host: url.hostname,
  port: Number(url.port || 3306),
  dialectOptions: socketPath ? { socketPath } : {},
  logging: false,
  pool: { min: connections, max: connections },
});

const Product = sequelize.define(
  'product',
  {
    name: { type: DataTypes.STRING, allowNull: false },
    stock: { type: DataTypes.INTEGER, allowNull: false },
  },
  { timestamps: false },
);

// Resolves to the units that remain, to null if there is no such product, and to a negative number
// if there are too few.
function purchase(productId, quantity) {
  return sequelize.transaction(async (transaction) => {
    const product = await Product.findByPk(productId, {
      transaction,
      lock: transaction.LOCK.UPDATE,
    });
    if (!product) {
      return null;
    }
    const remaining = product.stock - quantity;
    if (remaining >= 0) {
      await product.decrement('stock', { by: quantity, transaction });
    }
    return remaining;
  });
}

const app = express();
app.use(express.json());

app.post('/api/purchase', async (request, response) => {
  const { productId, quantity } = request.body ?? {};
  if (!Number.isInteger(productId) || !Number.isInteger(quantity) || quantity < 1) {
    response.status(400).json({ error: 'productId and quantity must be whole numbers' });
    return;
  }
  const remaining = await purchase(productId, quantity);
  if (remaining === null) {
    response.status(404).json({ error: 'Product not found' });
  } else if (remaining < 0) {
    response.status(409).json({ error: 'Insufficient stock' });
  } else {
    response.json({ message: 'Purchase successful', remainingStock: remaining });
  }
});

await sequelize.sync();
await Product.create({ name: 'Flash Sale Smartphone', stock });
const server = app.listen(0, '127.0.0.1', () => {
  console.error(`The shop http://127.0.0.1:${server.address().port}/`);
});
